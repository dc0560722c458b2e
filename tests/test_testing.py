from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI, UploadFile
from fastapi.testclient import TestClient

from twolane import Backoff, Blob, GiveUp, Lanes, RetryLater, TaskContext, Tasks, Ticket, UsageError
from twolane.pytest_plugin import OpenInbox
from twolane.testing import STARTS_AT, Inbox, TaskFailed, open_inbox


@dataclass
class Order:
    id: int
    paid: bool = False


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
def inbox(tasks: Tasks, twolane: OpenInbox) -> Inbox:
    return twolane(tasks)


class TestSent:
    def test_arguments_come_back_from_json_validated(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        def ship(order: Order, *, tags: set[str], within: timedelta = timedelta(days=1)) -> None: ...

        ticket = tasks.send_blocking(ship, Order(7), tags={"a"})
        (sent,) = inbox.sent(ship)
        assert sent.args == {"order": Order(7), "tags": {"a"}, "within": timedelta(days=1)}
        assert (sent.id, sent.task, sent.queue) == (ticket.id, ship.name, "default")

    def test_options_are_told(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert", queue="mails", unique_key="{to}")
        def remind(to: str) -> None: ...

        tasks.send_blocking(remind.options(delay_s=60, expires_after_s=10), "ann")
        (sent,) = inbox.sent()
        assert (sent.queue, sent.delay_s, sent.unique_key) == ("mails", 60, "ann")
        assert sent.expires_at == STARTS_AT + timedelta(seconds=70)

    def test_only_what_was_asked_for_in_the_order_it_was_sent(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        def one(number: int) -> None: ...

        @tasks.task(if_lost="alert")
        def other(number: int) -> None: ...

        for number in range(3):
            tasks.send_blocking(one, number)
            tasks.send_blocking(other, number)
        assert [sent.args["number"] for sent in inbox.sent(one)] == [0, 1, 2]
        assert [sent.task for sent in inbox.sent()] == [one.name, other.name] * 3

    def test_what_was_sent_twice_was_sent_once(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        def pay(cents: int) -> None: ...

        once = pay.options(id="00000000-0000-7000-8000-000000000001")
        assert tasks.send_blocking(once, 5) == tasks.send_blocking(once, 5)
        assert len(inbox.sent(pay)) == 1

    def test_large_arguments_are_read_from_their_blob(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        def keep(text: str) -> None: ...

        text = "x" * 2_000_000
        tasks.send_blocking(keep, text)
        (sent,) = inbox.sent(keep)
        assert sent.args == {"text": text}

    def test_a_blob_can_be_read(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        def read(blob: Blob) -> str:
            with blob.open() as file:
                return file.read().decode()

        tasks.send_blocking(read, inbox.store(b"hello"))
        assert inbox.sent(read)[0].args["blob"].open().read() == b"hello"
        assert [ran.result for ran in inbox.drain()] == ["hello"]

    def test_a_task_that_stores_nothing_is_explained(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="ignore")
        def greet() -> None: ...

        with pytest.raises(UsageError, match="never stored"):
            inbox.sent(greet)
        with pytest.raises(UsageError, match="is no task yet"):
            inbox.sent(lambda: None)


class TestDrain:
    def test_says_what_became_of_each(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        def add(a: int, b: int) -> int:
            return a + b

        @tasks.task(if_lost="alert")
        async def multiply(a: int, b: int) -> int:
            await asyncio.sleep(0)
            return a * b

        tickets = [tasks.send_blocking(add, 2, 3), tasks.send_blocking(multiply, 2, b=3)]
        ran = inbox.drain()
        assert [(each.task, each.attempt, each.state, each.result) for each in ran] == [
            (add.name, 1, "done", 5),
            (multiply.name, 1, "done", 6),
        ]
        assert [each.record for each in ran] == [inbox.record(ticket) for ticket in tickets]
        assert inbox.drain() == []

    def test_a_retry_becomes_visible_when_time_passes(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert", max_attempts=3, backoff=Backoff(base_s=10))
        def flaky(ctx: TaskContext) -> None:
            if ctx.attempt < 3:
                raise ConnectionError("no")

        tasks.send_blocking(flaky)
        (first,) = inbox.drain()
        assert (first.state, first.attempt) == ("waiting", 1)
        assert first.failure is not None
        assert (first.failure.error_type, first.failure.message) == ("ConnectionError", "no")
        inbox.clock.advance(9.9)
        assert inbox.drain() == []
        inbox.clock.advance(0.1)
        assert [each.state for each in inbox.drain()] == ["waiting"]
        inbox.clock.advance(timedelta(minutes=10))
        assert [each.state for each in inbox.drain()] == ["done"]

    def test_a_task_may_ask_for_its_own_pause(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        def busy(ctx: TaskContext) -> None:
            if ctx.attempt == 1:
                raise RetryLater(300)

        tasks.send_blocking(busy)
        (ran,) = inbox.drain()
        assert ran.record.visible_at == STARTS_AT + timedelta(minutes=5)
        inbox.clock.advance(300)
        inbox.drain(check=True)

    def test_dead_letters_are_readable(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        def charge(cents: int) -> None:
            raise GiveUp("the card has expired", public="Your card has expired.")

        @tasks.task(if_lost="alert", max_attempts=1)
        def other() -> None:
            raise ValueError

        tasks.send_blocking(charge, 5)
        tasks.send_blocking(other)
        assert [each.state for each in inbox.drain()] == ["dead", "dead"]
        first, second = inbox.dead()
        assert (first.record.reason, second.record.reason) == ("gave_up", "attempts_exhausted")
        assert first.record.public == "Your card has expired."
        assert [each.failure.message for each in first.attempts] == ["the card has expired"]
        assert [letter.record.id for letter in inbox.dead(other)] == [second.record.id]

    def test_what_a_task_sends_is_run_too(self, tasks: Tasks, inbox: Inbox) -> None:
        ran: list[int] = []

        @tasks.task(if_lost="alert")
        async def countdown(number: int) -> None:
            ran.append(number)
            if number:
                await tasks.send(countdown, number - 1)

        tasks.send_blocking(countdown, 3)
        inbox.drain(check=True)
        assert ran == [3, 2, 1, 0]

    def test_a_task_that_sends_itself_for_ever_is_told(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        async def again() -> None:
            await tasks.send(again)

        tasks.send_blocking(again)
        with pytest.raises(UsageError, match="more than 20 deliveries"):
            inbox.drain(most=20)
        assert [sent.id for sent in inbox.sent() if inbox.record(sent).state == "done"] == [
            sent.id for sent in inbox.sent()[:20]
        ]

    def test_every_queue_is_drained(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert", queue="mails")
        def remind(to: str) -> str:
            return to

        tasks.send_blocking(remind, "ann")
        assert [ran.result for ran in inbox.drain()] == ["ann"]

    def test_what_a_task_adds_in_the_background_has_run_too(self, tasks: Tasks, inbox: Inbox) -> None:
        noted: list[int] = []

        @tasks.task(if_lost="ignore")
        async def note() -> None:
            for number in range(50):
                await asyncio.to_thread(int)
                noted.append(number)

        @tasks.task(if_lost="alert")
        async def work(lanes: Lanes) -> None:
            lanes.add_task(note)

        tasks.send_blocking(work)
        inbox.drain(check=True)
        assert noted == [*range(50)]

    def test_what_was_left_in_the_middle_runs_again_when_its_lease_ends(
        self, tasks: Tasks, inbox: Inbox
    ) -> None:
        began = asyncio.Event()

        @tasks.task(if_lost="alert")
        async def hangs_once(ctx: TaskContext) -> int:
            began.set()
            if ctx.attempt == 1:
                await asyncio.Event().wait()
            return ctx.attempt

        async def leave() -> None:
            draining = asyncio.ensure_future(inbox.drain_async())
            await began.wait()
            draining.cancel()
            await asyncio.wait([draining])

        tasks.send_blocking(hangs_once)
        asyncio.run(leave())
        assert inbox.drain() == []
        inbox.clock.advance(timedelta(days=1))
        assert [ran.result for ran in inbox.drain()] == [2]

    def test_check_raises_with_the_tasks_own_traceback(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        def fails() -> None:
            raise LookupError("where is it")

        tasks.send_blocking(fails)
        with pytest.raises(
            TaskFailed, match=r"(?s)attempt 1 left its message waiting.*in fails.*where is it"
        ):
            inbox.drain(check=True)

    def test_a_message_resumes_from_its_checkpoint(self, tasks: Tasks, inbox: Inbox) -> None:
        seen: list[Any] = []

        @tasks.task(if_lost="alert", backoff=Backoff(base_s=0))
        def work(ctx: TaskContext) -> None:
            seen.append(ctx.cursor)
            ctx.checkpoint({"row": 5}, done=5, total=9)
            if ctx.attempt == 1:
                raise OSError

        ticket = tasks.send_blocking(work)
        assert [each.state for each in inbox.drain()] == ["waiting", "done"]
        assert seen == [None, {"row": 5}]
        assert (inbox.record(ticket).done, inbox.record(ticket).total) == (5, 9)

    def test_a_message_of_nobody_waits_under_patience(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert", name="old", patience_s=60)
        def old() -> None: ...

        tasks.send_blocking(old)
        del tasks.registry._tasks["old"]
        assert [each.state for each in inbox.drain()] == ["waiting"]
        inbox.clock.advance(60)
        assert [each.record.reason for each in inbox.drain()] == ["unknown_task"]

    def test_what_expired_is_dead(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert", expires_after_s=60)
        def soon() -> None: ...

        tasks.send_blocking(soon)
        inbox.clock.advance(60)
        (ran,) = inbox.drain()
        assert (ran.state, ran.record.reason) == ("dead", "expired")

    async def _in_a_loop(self, tasks: Tasks, inbox: Inbox) -> None:
        @tasks.task(if_lost="alert")
        async def where() -> bool:
            return asyncio.get_running_loop() is loop

        loop = asyncio.get_running_loop()
        await tasks.send(where)
        with pytest.raises(UsageError, match="drain_async"):
            inbox.drain()
        assert [each.result for each in await inbox.drain_async()] == [True]

    def test_async_tests_await_it(self, tasks: Tasks, inbox: Inbox) -> None:
        asyncio.run(self._in_a_loop(tasks, inbox))

    def test_two_runs_are_alike(self, tasks: Tasks) -> None:
        @tasks.task(if_lost="alert")
        def fails(number: int) -> None:
            raise ValueError(number)

        def story() -> list[Any]:
            with open_inbox(tasks) as inbox:
                for number in range(5):
                    tasks.send_blocking(fails, number)
                return [(each.task, each.record) for each in inbox.drain()]

        assert story() == story()

    def test_an_unknown_id_is_told(self, inbox: Inbox) -> None:
        with pytest.raises(LookupError, match="no message nobody was stored; 0 others were"):
            inbox.record("nobody")


def test_time_does_not_go_back(inbox: Inbox) -> None:
    with pytest.raises(ValueError, match="advance takes 0 seconds or more"):
        inbox.clock.advance(-1)


def test_the_tasks_are_restored(tmp_path: Any) -> None:
    tasks = Tasks(queue=f"sqlite:///{tmp_path}/queue.db")
    before = tasks.runtime
    with open_inbox(tasks) as inbox:
        assert tasks.runtime is inbox.runtime
    assert tasks.runtime is before
    assert list(tmp_path.iterdir()) == []


class TestWithAnApp:
    @pytest.fixture
    def app(self, tasks: Tasks) -> FastAPI:
        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
            app.state.loop = asyncio.get_running_loop()
            yield

        app = FastAPI(lifespan=lifespan)
        tasks.install(app)

        @tasks.task(if_lost="alert", name="count_lines")
        async def count_lines(upload: Blob) -> dict[str, Any]:
            same = asyncio.get_running_loop() is getattr(app.state, "loop", None)
            with upload.open() as file:
                return {"lines": len(file.readlines()), "on_the_loop_of_the_app": same}

        @app.post("/imports", status_code=202)
        def create_import(file: UploadFile, lanes: Lanes) -> Ticket:
            return lanes.add_task(count_lines, lanes.store(file))

        return app

    def upload(self, client: TestClient) -> str:
        answer = client.post("/imports", files={"file": ("a.csv", b"1\n2\n3\n")})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def test_without_lifespan(self, app: FastAPI, inbox: Inbox) -> None:
        message_id = self.upload(TestClient(app))
        assert inbox.sent()[0].args["upload"].name == "a.csv"
        (ran,) = inbox.drain(check=True)
        assert ran.record.id == message_id
        assert ran.result == {"lines": 3, "on_the_loop_of_the_app": False}

    def test_with_lifespan_no_worker_runs_and_the_loop_is_the_apps(self, app: FastAPI, inbox: Inbox) -> None:
        with TestClient(app) as client:
            message_id = self.upload(client)
            assert inbox.runtime.stores.records.stats().workers == ()
            assert inbox.record(message_id).state == "waiting"
            assert inbox.drain(check=True)[0].result == {"lines": 3, "on_the_loop_of_the_app": True}
        assert inbox.record(message_id).state == "done"
        self.upload(TestClient(app))
        assert len(inbox.drain(check=True)) == 1

    def test_from_an_async_test_beside_the_loop_of_the_app(self, app: FastAPI, inbox: Inbox) -> None:
        with TestClient(app) as client:
            self.upload(client)
            (ran,) = asyncio.run(inbox.drain_async())
        assert ran.result["on_the_loop_of_the_app"]

    def test_a_worker_runs_where_it_is_asked_for(
        self, app: FastAPI, tasks: Tasks, twolane: OpenInbox
    ) -> None:
        inbox = twolane(tasks, worker=True)
        with TestClient(app) as client:
            self.upload(client)
            with pytest.raises(UsageError, match="a worker runs beside this test"):
                inbox.drain()
            assert len(inbox.runtime.stores.records.stats().workers) == 1
        (sent,) = inbox.sent()
        assert inbox.record(sent).state == "done"


class TestWithoutTheFixture:
    """What `TestClient` does with a queue of SQLite."""

    def test_without_lifespan_the_queue_opens_at_the_first_send_and_no_worker_starts(
        self, tmp_path: Any
    ) -> None:
        tasks, app = Tasks(queue=f"sqlite:///{tmp_path}/queue.db"), FastAPI()
        tasks.install(app)

        @tasks.task(if_lost="alert")
        def work() -> None: ...

        @app.get("/idle")
        def idle(lanes: Lanes) -> None: ...

        @app.post("/work")
        def create(lanes: Lanes) -> None:
            lanes.add_task(work)

        client = TestClient(app)
        try:
            assert client.get("/idle").status_code == 200
            assert list(tmp_path.iterdir()) == []
            assert client.post("/work").status_code == 200
            stats = tasks.runtime.stores.records.stats()
        finally:
            tasks.close()
        assert (stats.accepted, stats.workers) == (1, ())
        assert stats.queues["default"].counts["waiting"] == 1
