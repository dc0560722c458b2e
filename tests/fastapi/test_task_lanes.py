"""Tasks that send: what they add goes with their settlement, or not at all."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from twolane import ArgumentsRefused, Blob, BlobTooLarge, GiveUp, Lanes, TaskContext, Tasks, UsageError, given
from twolane.contracts.upkeep import Reap
from twolane.engine import outbox as outbox_module
from twolane.engine.ids import new_id
from twolane.testing import Inbox, open_inbox
from twolane.values.message import decode
from twolane.values.record import State


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
def inbox(tasks: Tasks) -> Iterator[Inbox]:
    with open_inbox(tasks) as inbox:
        yield inbox


@pytest.fixture
def child(tasks: Tasks) -> Any:
    @tasks.task(if_lost="alert", name="child")
    def child(number: int) -> int:
        return number

    return child


@pytest.fixture
def mails() -> list[str]:
    return []


@pytest.fixture
def mail(tasks: Tasks, mails: list[str]) -> Any:
    @tasks.task(if_lost="ignore", name="mail")
    async def mail(to: str) -> None:
        await asyncio.sleep(0)
        mails.append(to)

    return mail


@pytest.fixture(params=["sync", "async"])
def parent(request: pytest.FixtureRequest, tasks: Tasks) -> Callable[..., Any]:
    """Make a task, sync or async, that does something with its lanes."""

    def make(do: Callable[..., Any], **options: Any) -> Any:
        def sync_task(lanes: Lanes = given) -> Any:
            return do(lanes)

        async def async_task(lanes: Lanes = given) -> Any:
            return do(lanes)

        fn = sync_task if request.param == "sync" else async_task
        return tasks.task(if_lost="alert", name="parent", **options)(fn)

    return make


class TestWhatATaskAdds:
    def test_is_stored_with_its_end_and_names_it(
        self, tasks: Tasks, inbox: Inbox, parent: Any, child: Any, mail: Any, mails: list[str]
    ) -> None:
        def do(lanes: Any) -> None:
            tickets.append(lanes.add_task(child, 1))
            tickets.append(lanes.add_task(mail, "ada"))
            assert inbox.sent(child) == []
            assert mails == []

        tickets: list[Any] = []
        sent = tasks.send_blocking(parent(do))
        first, second = inbox.drain(check=True)
        assert (first.task, second.task, second.result) == ("parent", "child", 1)
        assert (tickets[0].id, tickets[0].lane) == (second.record.id, "queue")
        assert tickets[1].lane == "background"
        assert second.record.parent == sent.id
        (message,) = inbox.sent(child)
        assert (message.parent, decode(message.body).parent) == (sent.id, sent.id)
        assert mails == ["ada"]
        assert inbox.runtime.background.done == {"mail": 1}

    def test_goes_with_options_of_the_send(self, tasks: Tasks, inbox: Inbox, parent: Any, child: Any) -> None:
        tasks.send_blocking(parent(lambda lanes: lanes.add_task(child.options(delay_s=60), 1) and None))
        assert [each.task for each in inbox.drain(check=True)] == ["parent"]
        inbox.clock.advance(60)
        assert [each.task for each in inbox.drain(check=True)] == ["child"]

    @pytest.mark.parametrize("error", [ValueError("no"), GiveUp("never")])
    def test_is_dropped_with_a_line_each_if_it_fails(
        self,
        tasks: Tasks,
        inbox: Inbox,
        parent: Any,
        child: Any,
        mail: Any,
        mails: list[str],
        error: Exception,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def do(lanes: Any) -> None:
            tickets.extend([lanes.add_task(child, 1), lanes.add_task(child, 2), lanes.add_task(mail, "ada")])
            raise error

        tickets: list[Any] = []
        sent = tasks.send_blocking(parent(do))
        inbox.drain()
        assert inbox.sent(child) == []
        assert mails == []
        lines = [line for line in caplog.messages if "dropped" in line]
        assert lines == [
            f"{ticket.task} {ticket.id} dropped: its sender parent {sent.id} did not succeed"
            for ticket in tickets
        ]

    def test_is_sent_by_the_attempt_that_succeeds_alone(self, tasks: Tasks, inbox: Inbox, child: Any) -> None:
        @tasks.task(if_lost="alert")
        def flaky(ctx: TaskContext, lanes: Lanes = given) -> None:
            lanes.add_task(child, ctx.attempt)
            if ctx.attempt == 1:
                raise ValueError

        tasks.send_blocking(flaky)
        inbox.drain()
        inbox.clock.advance(60)
        assert [each.result for each in inbox.drain(check=True)] == [None, 2]
        assert len(inbox.sent(child)) == 1

    def test_is_checked_at_the_call(self, tasks: Tasks, inbox: Inbox, parent: Any, child: Any) -> None:
        def do(lanes: Any) -> str:
            with pytest.raises(ArgumentsRefused, match="`number`"):
                lanes.add_task(child, "many")
            with pytest.raises(UsageError, match="is no task yet"):
                lanes.add_task(len, "abc")
            with pytest.raises(UsageError, match="belongs to another Tasks"):
                lanes.add_task(Tasks().task(if_lost="alert")(lambda: None))
            return "went on"

        tasks.send_blocking(parent(do))
        assert [each.result for each in inbox.drain(check=True)] == ["went on"]

    def test_can_be_added_by_dependencies_as_they_open_and_close(
        self, tasks: Tasks, inbox: Inbox, child: Any
    ) -> None:
        def audit(lanes: Lanes) -> Iterator[None]:
            lanes.add_task(child, 1)
            yield
            lanes.add_task(child, 3)

        @tasks.task(if_lost="alert")
        def work(lanes: Lanes = given, found: None = Depends(audit)) -> None:
            lanes.add_task(child, 2)

        tasks.send_blocking(work)
        assert [each.result for each in inbox.drain(check=True)] == [None, 1, 2, 3]

    def test_is_too_late_when_the_attempt_has_ended(
        self, tasks: Tasks, inbox: Inbox, parent: Any, child: Any
    ) -> None:
        kept: list[Any] = []
        tasks.send_blocking(parent(kept.append))
        inbox.drain(check=True)
        with pytest.raises(
            UsageError, match=r"child cannot be added any more: the attempt of parent .* has ended"
        ):
            kept[0].add_task(child, 1)

    def test_is_dropped_if_the_lease_was_lost(
        self, tasks: Tasks, inbox: Inbox, child: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        @tasks.task(if_lost="alert")
        def late(ctx: TaskContext, lanes: Lanes = given) -> None:
            lanes.add_task(child, ctx.attempt)
            if ctx.attempt == 1:
                inbox.clock.advance(3600)
                inbox.runtime.batcher.ask_blocking(Reap())

        tasks.send_blocking(late)
        assert [each.result for each in inbox.drain()] == [None, None, 2]
        assert [line for line in caplog.messages if line.endswith("is no longer this worker's")]

    def test_that_a_thread_of_its_own_adds_is_stored_or_refused(
        self, tasks: Tasks, inbox: Inbox, parent: Any, child: Any
    ) -> None:
        """Nothing that add_task gave a ticket for is lost between the last look and the settlement."""
        added: list[Any] = []

        def add_until_refused(lanes: Any) -> None:
            with suppress(UsageError):
                while True:
                    added.append(lanes.add_task(child, len(added)))

        def do(lanes: Any) -> None:
            threads.append(threading.Thread(target=add_until_refused, args=[lanes]))
            threads[0].start()

        threads: list[threading.Thread] = []
        tasks.send_blocking(parent(do))
        inbox.drain(check=True, most=20_000)
        threads[0].join()
        assert {each.id for each in inbox.sent(child)} == {ticket.id for ticket in added}

    def test_may_be_many(self, tasks: Tasks, inbox: Inbox, parent: Any, child: Any) -> None:
        tasks.send_blocking(parent(lambda lanes: [lanes.add_task(child, n) for n in range(1000)] and None))
        assert len(inbox.drain(check=True, most=2000)) == 1001

    def test_has_a_limit_that_is_told(
        self, tasks: Tasks, inbox: Inbox, parent: Any, child: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox_module, "MAX_SENDS", 3)
        tasks.send_blocking(parent(lambda lanes: [lanes.add_task(child, n) for n in range(4)] and None))
        (delivered,) = inbox.drain()
        assert delivered.failure is not None
        assert "has added 3 messages, which is what one settlement stores" in delivered.failure.message
        assert inbox.sent(child) == []

    def test_shows_in_chains(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        def step(left: int, lanes: Lanes = given) -> None:
            if left:
                lanes.add_task(step, left - 1)

        first = tasks.send_blocking(step, 2)
        records = [each.record for each in inbox.drain(check=True)]
        assert [each.parent for each in records] == [None, first.id, records[1].id]


class TestConflicts:
    def test_a_child_under_a_key_that_waits_is_that_one(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert", unique_key="{customer}")
        def report(customer: int) -> None: ...

        @tasks.task(if_lost="alert")
        def work(lanes: Lanes = given) -> None:
            tickets.append(lanes.add_task(report, 7))

        tickets: list[Any] = []
        waits = tasks.send_blocking(report.options(delay_s=60), 7)
        sent = tasks.send_blocking(work)
        inbox.drain(check=True)
        assert inbox.record(sent).state is State.DONE
        assert len(inbox.sent(report)) == 1
        assert inbox.record(tickets[0]).id == waits.id

    def test_a_task_may_send_itself_under_its_own_key(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert", unique_key="nightly")
        def nightly(left: int, lanes: Lanes = given) -> None:
            if left:
                lanes.add_task(nightly, left - 1)

        tasks.send_blocking(nightly, 1)
        assert len(inbox.drain(check=True)) == 2

    def test_an_id_that_is_stored_with_equal_arguments_is_the_same_send(
        self, tasks: Tasks, inbox: Inbox, parent: Any, child: Any
    ) -> None:
        message_id = new_id()
        tasks.send_blocking(child.options(id=message_id), 1)
        tasks.send_blocking(parent(lambda lanes: lanes.add_task(child.options(id=message_id), 1) and None))
        assert [each.task for each in inbox.drain(check=True)] == ["child", "parent"]

    def test_an_id_that_is_stored_with_others_fails_the_attempt_with_the_reason(
        self, tasks: Tasks, inbox: Inbox, parent: Any, child: Any, mail: Any, mails: list[str]
    ) -> None:
        def do(lanes: Any) -> None:
            lanes.add_task(child, 5)
            lanes.add_task(child.options(id=message_id), 2)
            lanes.add_task(mail, "ada")

        message_id = new_id()
        tasks.send_blocking(child.options(id=message_id), 1)
        sent = tasks.send_blocking(parent(do, max_attempts=2))
        inbox.drain()
        assert inbox.record(sent).state is State.WAITING  # and not held until its lease ends
        inbox.clock.advance(60)
        inbox.drain()
        (letter,) = inbox.dead()
        assert letter.record.reason == "attempts_exhausted"
        assert [each.failure.error_type for each in letter.attempts] == ["SendRefused", "SendRefused"]
        assert message_id in letter.attempts[0].failure.message
        assert len(inbox.sent(child)) == 1
        assert mails == []


class TestBytes:
    @pytest.fixture
    def count(self, tasks: Tasks) -> Any:
        @tasks.task(if_lost="alert", name="count")
        def count(upload: Blob) -> int:
            with upload.open() as file:
                return len(file.read())

        return count

    def test_are_stored_before_the_settlement(
        self, tasks: Tasks, inbox: Inbox, parent: Any, count: Any, tmp_path: Path
    ) -> None:
        def do(lanes: Any) -> None:
            (tmp_path / "file").write_bytes(b"1234")
            lanes.add_task(count, lanes.store(b"123"))
            lanes.add_task(count, lanes.store(tmp_path / "file"))

        tasks.send_blocking(parent(do))
        assert [each.result for each in inbox.drain(check=True)] == [None, 3, 4]

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_of_a_file_that_a_dependency_opened_are_still_there(
        self, tasks: Tasks, inbox: Inbox, count: Any, kind: str, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_bytes(b"12345")

        def opened() -> Iterator[Any]:
            with (tmp_path / "file").open("rb") as file:
                yield file

        async def opened_async() -> AsyncIterator[Any]:
            with (tmp_path / "file").open("rb") as file:
                yield file

        used = opened if kind == "sync" else opened_async

        @tasks.task(if_lost="alert")
        def work(lanes: Lanes = given, file: Annotated[Any, Depends(used)] = given) -> None:
            lanes.add_task(count, lanes.store(file))

        tasks.send_blocking(work)
        assert [each.result for each in inbox.drain(check=True)] == [None, 5]

    def test_of_a_file_that_is_closed_too_early_fail_the_attempt(
        self, tasks: Tasks, inbox: Inbox, parent: Any, count: Any, tmp_path: Path
    ) -> None:
        def do(lanes: Any) -> None:
            (tmp_path / "file").write_bytes(b"1234")
            with (tmp_path / "file").open("rb") as file:
                lanes.add_task(count, lanes.store(file))

        tasks.send_blocking(parent(do))
        (delivered,) = inbox.drain()
        assert delivered.failure is not None
        assert "cannot be read" in delivered.failure.message
        assert "closed" in delivered.failure.message

    def test_over_the_limit_are_refused_by_their_own_error(
        self, tasks: Tasks, inbox: Inbox, parent: Any
    ) -> None:
        class Large:
            filename, size = "large.csv", inbox.runtime.limits.upload_bytes + 1

            def read(self) -> bytes:
                return b""

            def seekable(self) -> bool:
                return True

        def do(lanes: Any) -> str:
            with pytest.raises(BlobTooLarge, match=r"large.csv has \d+ bytes, the limit is"):
                lanes.store(Large())
            return "refused"

        tasks.send_blocking(parent(do))
        assert inbox.drain(check=True)[0].result == "refused"


def test_a_worker_of_an_app_over_sqlite_does_it_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mails: list[str]
) -> None:
    """A thousand children in one settlement, a background task behind it, and nothing dropped."""
    caplog.set_level(logging.INFO, "twolane")
    tasks = Tasks(queue=f"sqlite:///{tmp_path}/queue.db")
    app = FastAPI()
    tasks.install(app)
    ended = asyncio.Event()

    @tasks.task(if_lost="alert", name="leaf")
    async def leaf(number: int) -> None: ...

    @tasks.task(if_lost="ignore", name="mail")
    async def mail(to: str) -> None:
        mails.append(to)
        ended.set()

    @tasks.task(if_lost="alert", name="fan")
    def fan(many: int, lanes: Lanes = given) -> None:
        for number in range(many):
            lanes.add_task(leaf, number)
        lanes.add_task(mail, "ada")

    @app.post("/")
    def start(lanes: Lanes) -> str:
        return lanes.add_task(fan, 1000).id

    @app.get("/done")
    async def done() -> None:
        await asyncio.wait_for(ended.wait(), 30)

    with TestClient(app) as client:
        parent = client.post("/").json()
        client.get("/done")
        record = tasks.record(parent)
        assert record is not None
        assert record.state is State.DONE
    assert mails == ["ada"]
    stats = tasks.runtime.stores.records.stats()
    assert stats.accepted == 1001
    tasks.close()


def test_background_tasks_of_a_task_that_ends_in_a_shutdown_run_in_what_is_left_of_its_time(
    tmp_path: Path, mails: list[str]
) -> None:
    tasks = Tasks(queue=f"sqlite:///{tmp_path}/queue.db")
    app = FastAPI()
    tasks.install(app)
    began = threading.Event()

    @tasks.task(if_lost="ignore", name="mail")
    async def mail(to: str) -> None:
        await asyncio.sleep(0)
        mails.append(to)

    @tasks.task(if_lost="alert", name="slow")
    async def slow(lanes: Lanes = given) -> None:
        lanes.add_task(mail, "ada")
        began.set()
        while not tasks.runtime.background.stops:
            await asyncio.sleep(0)

    with TestClient(app):
        tasks.send_blocking(slow)
        assert began.wait(30)
    assert mails == ["ada"]
    assert tasks.runtime.background.lost == {}
    tasks.close()
