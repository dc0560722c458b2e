"""What a task knows of its delivery, and the one call that long work makes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from twolane import Interrupted, QueueError, TaskContext, Tasks
from twolane.backends.memory import MemoryQueue
from twolane.contracts.queue import CancelMessage, Checkpoint, ReleaseDelivery
from twolane.engine import context as module
from twolane.engine.batcher import Batcher
from twolane.engine.context import MAX_CURSOR_BYTES
from twolane.engine.hold import Hold
from twolane.engine.run import Ran, Surroundings
from twolane.values import outcome as did

Held = Callable[..., Hold]
Do = Callable[[Hold], Ran]


@pytest.fixture
def task(tasks: Tasks) -> Any:
    return tasks.task(if_lost="alert", name="work")(lambda: None)


@pytest.fixture
def hold(task: Any, held: Held) -> Hold:
    return held(task)


@pytest.fixture
def context(hold: Hold, batcher: Batcher) -> TaskContext:
    """As a sync task has it."""
    return TaskContext(task="work", hold=hold, batcher=batcher, loop_thread=None)


class TestCheckpoint:
    def test_is_durable_when_it_returns(self, context: TaskContext, queue: MemoryQueue) -> None:
        context.checkpoint({"row": 5}, done=5, total=9)
        record = queue.get(context.id)
        assert record is not None
        assert (record.cursor, record.done, record.total) == ({"row": 5}, 5, 9)
        assert (context.cursor, context.done) == ({"row": 5}, 5)

    def test_is_where_the_next_attempt_goes_on(
        self, context: TaskContext, hold: Hold, batcher: Batcher, receive: Callable[[], Hold]
    ) -> None:
        context.checkpoint([1, 2], done=0.5)
        batcher.ask_blocking(ReleaseDelivery(hold.delivery.receipt))
        again = receive()
        assert again.delivery.checkpoint == Checkpoint([1, 2], 0.5, None)
        assert TaskContext(task="work", hold=again, batcher=batcher, loop_thread=None).cursor == [1, 2]

    def test_may_be_none(self, context: TaskContext) -> None:
        context.checkpoint(None, done=1)
        assert (context.cursor, context.done) == (None, 1)

    @pytest.mark.parametrize("cursor", [object(), {1j}, float("nan"), [float("inf")], b"x"])
    def test_is_a_json_value(self, context: TaskContext, cursor: Any) -> None:
        with pytest.raises(ValueError, match="cursor is a JSON value, not"):
            context.checkpoint(cursor)

    def test_is_small(self, context: TaskContext) -> None:
        context.checkpoint("x" * (MAX_CURSOR_BYTES - 2))
        with pytest.raises(ValueError, match=f"at most {MAX_CURSOR_BYTES} bytes, not {MAX_CURSOR_BYTES + 1}"):
            context.checkpoint("x" * (MAX_CURSOR_BYTES - 1))

    def test_that_cannot_be_stored_is_told(
        self, context: TaskContext, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "RETRY_S", 0.0)
        tries: list[int] = []
        monkeypatch.setattr(queue, "flush", lambda entries: [tries.append(1), 1 / 0])
        with pytest.raises(QueueError, match="SaveCheckpoint ended without an answer"):
            context.checkpoint(5)
        assert context.cursor is None
        assert len(tries) == module.SAVE_TRIES

    def test_that_cannot_be_stored_for_a_moment_is_tried_again(
        self,
        context: TaskContext,
        queue: MemoryQueue,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(module, "RETRY_S", 0.0)
        flush, left = queue.flush, [1, 1]
        monkeypatch.setattr(queue, "flush", lambda entries: [left.pop(), 1 / 0] if left else flush(entries))

        context.checkpoint(5)

        record = queue.get(context.id)
        assert record is not None
        assert record.cursor == context.cursor == 5
        said = [each.getMessage() for each in caplog.records if each.name == "twolane.task"]
        assert len(said) == 2
        assert said[1].endswith("a checkpoint is stored at try 3")

    def test_that_cannot_be_stored_holds_nobody_up_who_must_end(
        self, context: TaskContext, hold: Hold, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "RETRY_S", 3600.0)

        def fail(_: object) -> list[Any]:
            hold.interrupt("timed_out")
            raise QueueError("away")

        monkeypatch.setattr(queue, "flush", fail)
        with pytest.raises(Interrupted, match="timed_out"):
            context.checkpoint(5)


class TestInterruption:
    @pytest.mark.parametrize("why", ["cancelled", "timed_out", "lease_lost", "stopping"])
    def test_is_raised_by_the_next_checkpoint(self, context: TaskContext, hold: Hold, why: str) -> None:
        hold.interrupt(why)
        with pytest.raises(Interrupted) as caught:
            context.checkpoint(1)
        assert caught.value.why == why
        assert context.cursor is None

    def test_passes_by_except_exception(self) -> None:
        assert not issubclass(Interrupted, Exception)

    def test_by_a_cancellation_is_noticed_and_the_cursor_kept(
        self, context: TaskContext, batcher: Batcher, queue: MemoryQueue
    ) -> None:
        batcher.ask_blocking(CancelMessage(context.id))
        with pytest.raises(Interrupted, match="cancelled"):
            context.checkpoint(7)
        record = queue.get(context.id)
        assert record is not None
        assert record.cursor == 7

    def test_by_a_lost_lease_is_noticed(
        self, context: TaskContext, hold: Hold, batcher: Batcher, receive: Callable[[], Hold]
    ) -> None:
        batcher.ask_blocking(ReleaseDelivery(hold.delivery.receipt))
        receive()
        with pytest.raises(Interrupted, match="lease_lost"):
            context.checkpoint(7)


class TestOnTheEventLoop:
    def test_a_checkpoint_does_not_wait(
        self,
        tasks: Tasks,
        held: Held,
        do: Do,
        around: Surroundings,
        queue: MemoryQueue,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        go, flush = threading.Event(), queue.flush

        @tasks.task(if_lost="alert")
        async def work(ctx: TaskContext) -> Any:
            monkeypatch.setattr(queue, "flush", lambda entries: (go.wait(30), flush(entries))[1])
            for row in range(3):
                ctx.checkpoint(row)
            go.set()
            return ctx.cursor

        assert do(held(work)).outcome == did.Succeeded(2)
        around.batcher.ask_blocking(CancelMessage("nobody"))  # behind what was stored meanwhile
        record = queue.get("id-0")
        assert record is not None
        assert record.cursor == 2

    def test_a_cancellation_is_noticed_by_a_later_call(
        self, tasks: Tasks, held: Held, do: Do, around: Surroundings
    ) -> None:
        @tasks.task(if_lost="alert")
        async def work(ctx: TaskContext) -> None:
            await around.batcher.ask(CancelMessage(ctx.id))
            while True:
                ctx.checkpoint(1)
                await asyncio.sleep(0)

        assert do(held(work)).outcome == did.WasCancelled()

    def test_one_that_cannot_be_stored_is_logged_and_the_next_one_tries(
        self,
        tasks: Tasks,
        held: Held,
        do: Do,
        around: Surroundings,
        queue: MemoryQueue,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        flush = queue.flush

        @tasks.task(if_lost="alert")
        async def work(ctx: TaskContext) -> None:
            monkeypatch.setattr(queue, "flush", lambda entries: 1 / 0)
            ctx.checkpoint(1)
            with pytest.raises(QueueError):
                await around.batcher.ask(CancelMessage("nobody"))
            monkeypatch.setattr(queue, "flush", flush)
            ctx.checkpoint(2)
            await around.batcher.ask(CancelMessage("nobody"))

        assert do(held(work)).outcome == did.Succeeded()
        assert "a checkpoint could not be stored" in caplog.text
        record = queue.get("id-0")
        assert record is not None
        assert record.cursor == 2

    def test_from_a_thread_of_an_async_task_it_waits(
        self, tasks: Tasks, held: Held, do: Do, queue: MemoryQueue
    ) -> None:
        @tasks.task(if_lost="alert")
        async def work(ctx: TaskContext) -> Any:
            await asyncio.to_thread(ctx.checkpoint, 5)
            record = queue.get(ctx.id)
            return record and record.cursor

        assert do(held(work)).outcome == did.Succeeded(5)


def test_its_log_names_task_id_and_attempt(context: TaskContext, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "twolane.task")
    context.log.info("%d rows, 100%%", 7)
    (record,) = caplog.records
    assert record.getMessage() == "work id-0 attempt 1: 7 rows, 100%"
    assert (record.task, record.id, record.attempt) == ("work", "id-0", 1)  # type: ignore[attr-defined]
