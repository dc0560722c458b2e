"""Event streams: what they say, when they end, and that they leave nothing behind."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.fastapi.watched import Stream, Watched, opened
from twolane.contracts import queue as q
from twolane.engine.limits import Limits

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

        async def follow() -> Stream:
            async with opened(watched.app, f"/imports/{message_id}/events") as stream:
                await stream.until(lambda s: len(s.events) == 1)
                reading = next(iter(watched.runtime.followers._readings.values()))
                stream.reads.clear()
                for done in range(1, 6):
                    watched.progress(receipt, done)
                    await looked_at(reading, message_id, done)
                stream.reads.set()
                await stream.until(lambda s: s.events[-1]["done"] == 5)
            return stream

        async def looked_at(reading: object, message_id: str, done: float) -> None:
            (follower,) = reading._followed[message_id]  # type: ignore[attr-defined]
            async with asyncio.timeout(20):
                while follower._newest.done != done:
                    await asyncio.sleep(0.001)

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
    def test_many_streams_are_one_question_a_turn(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [watched.sent() for _ in range(4)]
        asked: list[int] = []
        read_many = watched.runtime.stores.records.get_many
        monkeypatch.setattr(
            watched.runtime.stores.records,
            "get_many",
            lambda ids: (asked.append(len(ids)), read_many(ids))[1],
        )

        async def follow() -> None:
            async with asyncio.TaskGroup() as group:
                leave = asyncio.Event()
                streams: list[Stream] = []

                async def one(message_id: str) -> None:
                    async with opened(watched.app, f"/imports/{message_id}/events") as stream:
                        streams.append(stream)
                        await leave.wait()

                for message_id in ids * 5:
                    group.create_task(one(message_id))
                while len(streams) < 20 or not all(stream.events for stream in streams):
                    await asyncio.sleep(0.001)
                asked.clear()
                while len(asked) < 3:
                    await asyncio.sleep(0.001)
                leave.set()
            await settled()

        asyncio.run(follow())
        assert set(asked) == {4}

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
            async with opened(watched.app, f"/imports/{message_id}/events") as stream:
                await stream.until(lambda s: len(s.events) == 1)
                watched.file.rename(watched.file.with_name("away.db"))
                while "cannot be read" not in caplog.text:
                    await asyncio.sleep(0.001)
                watched.file.with_name("away.db").rename(watched.file)
                watched.do(q.AckDelivery(receipt))
                await stream.until(is_over)
                assert stream.events[-1]["state"] == "done"

        with caplog.at_level(logging.ERROR, "twolane.status"):
            asyncio.run(follow())
        assert caplog.text.count("followed records cannot be read") == 1
