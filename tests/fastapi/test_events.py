"""Event streams: what they say, when they end, and that they leave nothing behind."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Collection, Generator, Mapping
from pathlib import Path

import pytest

from tests.fastapi.watched import Stream, Watched, opened
from tests.logged import Logged
from twolane.contracts import queue as q
from twolane.engine.limits import Limits
from twolane.values.record import Record

LONG_S = 600.0


def make(folder: Path, *, stream_s: float = LONG_S) -> Watched:
    return Watched(folder, limits=Limits(look_s=0.005, stream_s=stream_s))


@pytest.fixture
def watched(tmp_path: Path) -> Generator[Watched]:
    made = make(tmp_path)
    yield made
    made.close()


def said(count: int) -> object:
    return lambda stream: len(stream.events) >= count


def is_over(stream: Stream) -> bool:
    return stream.over


def left_behind() -> list[str]:
    """The tasks of this loop but the present one."""
    return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def settled() -> None:
    """Until what was cancelled has ended."""
    async with asyncio.timeout(20):
        while left_behind():
            await asyncio.sleep(0)


class Looks:
    """How many records each reading asked for; from its making on, so before anybody follows."""

    def __init__(self, watched: Watched) -> None:
        self.asked: list[int] = []
        self._more = threading.Condition()
        records = watched.runtime.stores.records
        self._get_many, records.get_many = records.get_many, self  # type: ignore[method-assign]

    def __call__(self, message_ids: Collection[str]) -> Mapping[str, Record]:
        with self._more:
            self.asked.append(len(message_ids))
            self._more.notify_all()
        return self._get_many(message_ids)

    @property
    def count(self) -> int:
        return len(self.asked)

    async def until(self, count: int) -> None:
        def wait() -> bool:
            with self._more:
                return self._more.wait_for(lambda: self.count >= count, 20)

        assert await asyncio.to_thread(wait)


class TestWhatIsSaid:
    def test_from_the_first_to_the_last(self, watched: Watched) -> None:
        message_id = watched.sent(shown=True)

        async def follow() -> Stream:
            async with opened(watched.app, f"/imports/{message_id}", accept="text/event-stream") as stream:
                await stream.until(lambda s: len(s.events) == 1)
                receipt = watched.received()
                await stream.until(lambda s: s.events[-1]["state"] == "running")
                for done in (10, 20):
                    watched.progress(receipt, done)
                    await stream.until(lambda s, done=done: s.events[-1]["done"] == done)
                watched.do(q.AckDelivery(receipt, [1, 2]))
                await stream.until(is_over)
            await settled()
            return stream

        stream = asyncio.run(follow())
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store"
        assert "content-length" not in stream.headers
        assert stream.text.startswith("retry: 1000\n")
        assert [each["state"] for each in stream.events] == [
            "waiting",
            "running",
            "running",
            "running",
            "done",
        ]
        assert stream.events[-1] == watched.json(message_id)
        assert stream.events[-1]["result"] == [1, 2]

    @pytest.mark.parametrize("path", ["/imports/{}", "/imports/{}/events"])
    def test_what_has_ended_is_said_once_and_the_stream_with_it(self, watched: Watched, path: str) -> None:
        message_id = watched.dead("No such flight.")
        answer = watched.client.get(path.format(message_id), headers={"accept": "text/event-stream"})
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.text.count("event: status\n") == 1
        assert answer.text.endswith("\n\n")
        assert '"message":"No such flight."' in answer.text

    def test_the_path_for_event_sources_needs_no_accept_header(self, watched: Watched) -> None:
        answer = watched.client.get(f"/imports/{watched.done()}/events", headers={"accept": "*/*"})
        assert "event: status\n" in answer.text

    def test_an_event_source_that_comes_back_after_the_end_is_sent_away(self, watched: Watched) -> None:
        """It would come back for ever: only 204 tells it not to."""
        url = f"/imports/{watched.done()}/events"
        last = next(
            line.removeprefix("id: ")
            for line in watched.client.get(url).text.splitlines()
            if line.startswith("id: ")
        )
        again = watched.client.get(url, headers={"last-event-id": last})
        assert (again.status_code, again.content) == (204, b"")
        assert "event: status\n" in watched.client.get(url, headers={"last-event-id": "another"}).text

    def test_one_that_comes_back_before_it_hears_the_present_status(self, tmp_path: Path) -> None:
        watched = make(tmp_path, stream_s=0.0)
        url = f"/imports/{watched.sent()}/events"
        first = watched.client.get(url).text
        last = first.partition("id: ")[2].partition("\n")[0]
        assert watched.client.get(url, headers={"last-event-id": last}).text == first
        watched.close()

    def test_what_nobody_may_see_is_no_event(self, watched: Watched) -> None:
        """The lease moves on, the cursor changes: the form stays the same."""
        message_id, receipt = watched.running()

        async def follow() -> Stream:
            async with opened(watched.app, f"/imports/{message_id}/events") as stream:
                await stream.until(lambda s: len(s.events) == 1)
                watched.do(q.Extend((receipt,), 900.0))
                watched.do(q.CancelMessage(message_id))
                watched.do(q.CancelDelivery(receipt))
                await stream.until(is_over)
            return stream

        assert [each["state"] for each in asyncio.run(follow()).events] == ["running", "cancelled"]

    def test_it_ended_between_the_answer_and_the_first_look(self, tmp_path: Path) -> None:
        watched = make(tmp_path)
        message_id, receipt = watched.running()

        def end_it(*_: object) -> bool:
            watched.do(q.AckDelivery(receipt))
            return True

        watched.says = end_it
        answer = watched.get(message_id, accept="text/event-stream")
        assert answer.text.count("event: status\n") == 2
        assert '"state":"done"' in answer.text
        watched.close()


class TestHowItEnds:
    def test_by_its_time(self, tmp_path: Path) -> None:
        watched = make(tmp_path, stream_s=0.05)
        answer = watched.get(watched.sent(), accept="text/event-stream")
        assert answer.text.count("event: status\n") == 1
        watched.close()

    def test_by_a_shutdown_at_once(self, watched: Watched) -> None:
        ids = [watched.sent() for _ in range(3)]

        async def follow() -> None:
            watched.runtime.background.open(asyncio.get_running_loop())
            async with (
                opened(watched.app, f"/imports/{ids[0]}/events") as one,
                opened(watched.app, f"/imports/{ids[0]}/events") as two,
                opened(watched.app, f"/imports/{ids[1]}/events") as three,
            ):
                for stream in (one, two, three):
                    await stream.until(lambda s: len(s.events) == 1)
                watched.runtime.begin_stop()
                for stream in (one, two, three):
                    await stream.until(is_over)
                async with opened(watched.app, f"/imports/{ids[2]}/events") as late:
                    await late.until(is_over)
                    assert len(late.events) == 1
            await watched.runtime.stop(0.0)
            assert left_behind() == []

        asyncio.run(follow())

    def test_by_a_client_that_leaves(self, watched: Watched) -> None:
        message_id = watched.sent()

        async def follow() -> None:
            async with opened(watched.app, f"/imports/{message_id}/events") as stream:
                await stream.until(lambda s: len(s.events) == 1)
                assert watched.runtime.followers._readings
            assert watched.runtime.followers._readings == {}
            await settled()
            await asyncio.sleep(0)
            assert watched.runtime.followers._tasks == set()

        asyncio.run(follow())

    def test_by_a_client_that_leaves_while_it_does_not_read(self, watched: Watched) -> None:
        message_id = watched.sent()

        async def follow() -> None:
            async with opened(watched.app, f"/imports/{message_id}/events") as stream:
                stream.reads.clear()
                receipt = watched.received()
                for done in range(5):
                    watched.progress(receipt, done)
            await settled()

        asyncio.run(follow())

    def test_a_client_that_reads_slowly_hears_the_newest(self, watched: Watched) -> None:
        message_id, receipt = watched.running()
        looks = Looks(watched)

        async def follow() -> Stream:
            async with opened(watched.app, f"/imports/{message_id}/events") as stream:
                await stream.until(lambda s: len(s.events) == 1)
                stream.reads.clear()
                for done in range(1, 6):
                    watched.progress(receipt, done)
                    # the first may be under way, and what the second finds is passed on before the third
                    await looks.until(looks.count + 3)
                stream.reads.set()
                await stream.until(lambda s: s.events[-1]["done"] == 5)
            return stream

        assert [each["done"] for each in asyncio.run(follow()).events] == [None, 1, 5]

    def test_by_a_record_that_is_pruned(self, watched: Watched) -> None:
        message_id = watched.sent()

        async def follow() -> None:
            async with opened(watched.app, f"/imports/{message_id}/events") as stream:
                await stream.until(lambda s: len(s.events) == 1)
                with sqlite3.connect(watched.file) as connection:
                    connection.execute("DELETE FROM messages")
                connection.close()
                await stream.until(is_over)
                assert len(stream.events) == 1

        asyncio.run(follow())


class TestOneReadingForAll:
    def test_many_streams_are_one_question_a_turn(self, watched: Watched) -> None:
        ids = [watched.sent() for _ in range(4)]
        looks = Looks(watched)

        async def follow() -> list[int]:
            async with asyncio.TaskGroup() as group:
                follow, leave = asyncio.Barrier(21), asyncio.Event()

                async def one(message_id: str) -> None:
                    async with opened(watched.app, f"/imports/{message_id}/events") as stream:
                        await stream.until(lambda s: len(s.events) == 1)
                        await follow.wait()
                        await leave.wait()

                for message_id in ids * 5:
                    group.create_task(one(message_id))
                await follow.wait()
                first = looks.count + 1  # what is under way may have begun before all followed
                await looks.until(first + 3)
                leave.set()
            await settled()
            return looks.asked[first : first + 3]

        assert set(asyncio.run(follow())) == {4}

    def test_nothing_is_read_while_nobody_follows(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watched.runtime.stores.records, "get_many", pytest.fail)
        for _ in range(3):
            watched.get(watched.done(), accept="text/event-stream")

    def test_a_queue_that_cannot_be_read_for_a_while(
        self, watched: Watched, caplog: pytest.LogCaptureFixture
    ) -> None:
        message_id, receipt = watched.running()

        async def follow() -> None:
            said = Logged("cannot be read")
            async with opened(watched.app, f"/imports/{message_id}/events") as stream:
                await stream.until(lambda s: len(s.events) == 1)
                watched.file.rename(watched.file.with_name("away.db"))
                await said.wait()
                watched.file.with_name("away.db").rename(watched.file)
                watched.do(q.AckDelivery(receipt))
                await stream.until(is_over)
                assert stream.events[-1]["state"] == "done"

        with caplog.at_level(logging.ERROR, "twolane.status"):
            asyncio.run(follow())
        assert caplog.text.count("followed records cannot be read") == 1
