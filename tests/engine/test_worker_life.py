"""What a worker lives through: retries, deaths, a queue that fails, strangers."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from tests.engine.working import OFTEN_S, WAIT_S, Flushes, Working, runtime_of, working
from twolane import Backoff, Interrupted, TaskContext, Tasks
from twolane.backends.memory import MemoryQueue
from twolane.contracts.queue import CancelMessage, Outgoing, Send
from twolane.contracts.upkeep import Reap
from twolane.engine import worker as module
from twolane.testing import VirtualClock
from twolane.values.record import State


class TestLife:
    def test_is_shown_from_start_to_stop(self, tasks: Tasks, work: Any) -> None:
        @tasks.task(if_lost="alert", name="one", queue="imports")
        async def one() -> None: ...

        async def main() -> None:
            async with work(slots=3) as worker:
                (info,) = worker.records.stats().workers
                assert (info.kind, info.queues, info.tasks, info.slots) == (
                    "in_app",
                    ("default", "imports"),
                    ("one",),
                    3,
                )
            assert worker.records.stats().workers == ()

        asyncio.run(main())

    def test_a_group_is_said_to_mean_nothing_where_it_does(
        self, tasks: Tasks, work: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        @tasks.task(if_lost="alert", name="ordered", group_by="{customer}")
        async def ordered(customer: int) -> None: ...

        @tasks.task(if_lost="alert", name="plain")
        async def plain() -> None: ...

        async def main() -> None:
            with caplog.at_level(logging.INFO, "twolane.runtime"):
                async with work():
                    pass

        asyncio.run(main())
        [said] = [each.getMessage() for each in caplog.records if each.name == "twolane.runtime"]
        assert said.startswith("task ordered has group_by='{customer}': this queue keeps no order")

    def test_its_log_shows_no_secrets_nor_control_characters(
        self, tasks: Tasks, work: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        @tasks.task(if_lost="alert", name="login", max_attempts=2, backoff=Backoff(base_s=0))
        async def login(password: str) -> None:
            raise ValueError(f"refused:\x1b[31m {password}\nis wrong")

        async def main() -> None:
            async with work(poll_s=OFTEN_S) as worker:
                await worker.send(login, "hunter2-hunter2")
                await worker.steps.until("settled", 2)

        asyncio.run(main())

        for became in ("failed (ValueError: refused: [31m [masked] is wrong)", "is dead (attempts_exhausted"):
            assert became in caplog.text
        assert "hunter2" not in caplog.text
        assert "\x1b" not in caplog.text

    def test_goes_on_through_a_queue_that_fails_for_a_while(
        self,
        tasks: Tasks,
        work: Any,
        queue: MemoryQueue,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("twolane.engine.settle.RETRY_S", OFTEN_S)
        caplog.set_level(logging.INFO, "twolane.worker")

        async def main() -> None:
            go = asyncio.Event()

            @tasks.task(if_lost="alert")
            async def one() -> None:
                await go.wait()

            async with work(poll_s=OFTEN_S) as worker:
                await worker.send(one)
                await worker.steps.until("call", 1)
                flushes = Flushes(queue)
                flushes.fails = OSError("disk full")
                go.set()
                await flushes.until("AckDelivery", 2)
                await flushes.until("Reap", 5)
                flushes.fails = None
                await worker.steps.until("settled", 1)
                await flushes.until("Reap", 10)
                await worker.send(one)
                await worker.steps.until("settled", 2)
                assert worker.counts() == {State.DONE: 2}

        asyncio.run(main())
        assert "a settlement could not be stored" in caplog.text
        told = [each.getMessage() for each in caplog.records]
        said = [each for each in told if each.startswith("the queue cannot be used now")]
        assert said
        assert len(said) == len(set(said)), "once of each entry that fails, however often it was tried"
        assert "can use the queue again" in caplog.text

    def test_a_retry_is_received_when_its_time_has_come(
        self, tasks: Tasks, work: Any, clock: VirtualClock
    ) -> None:
        @tasks.task(if_lost="alert", backoff=Backoff(base_s=60))
        async def flaky(ctx: TaskContext) -> None:
            if ctx.attempt == 1:
                raise ConnectionError

        async def main() -> None:
            async with work(poll_s=OFTEN_S) as worker:
                message = await worker.send(flaky)
                await worker.steps.until("settled", 1)
                assert worker.record(message).state is State.WAITING
                clock.advance(60)
                await worker.steps.until("settled", 2)
                assert worker.record(message).state is State.DONE

        asyncio.run(main())

    def test_a_death_is_told_at_once(self, tasks: Tasks, work: Any, caplog: pytest.LogCaptureFixture) -> None:
        @tasks.task(if_lost="alert", name="one", max_attempts=1)
        async def one() -> None:
            raise ValueError("no seats")

        async def main() -> None:
            async with work() as worker:
                message = await worker.send(one)
                await worker.steps.until("settled", 1)
                await worker.runtime.stop(WAIT_S)
                assert worker.records.stats().told_alerts == 1
                assert f"twolane dead show {message}" in caplog.text

        asyncio.run(main())

    def test_too_many_stuck_tasks_are_told_to_people(
        self, tasks: Tasks, work: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        @tasks.task(if_lost="alert", name="one")
        async def one() -> None: ...

        async def main() -> None:
            async with work() as worker:
                worker.runtime.on_stuck()
                await worker.runtime.stop(WAIT_S)
                [alert] = worker.records.owed(0, whole=1).first
                assert alert.notice.key == "stuck-sync-tasks"
                assert "takes no more sync work" in alert.notice.title
                assert worker.records.stats().told_alerts == 1

        asyncio.run(main())
        assert any(record.name == "twolane.alert" for record in caplog.records)

    def test_a_cancellation_reaches_a_running_task(self, tasks: Tasks, work: Any) -> None:
        async def main() -> None:
            @tasks.task(if_lost="alert")
            async def long(ctx: TaskContext) -> None:
                while True:
                    ctx.checkpoint(1)
                    await asyncio.sleep(0)

            async with work() as worker:
                message = await worker.send(long)
                await worker.steps.until("call", 1)
                await worker.runtime.batcher.ask(CancelMessage(message))
                await worker.steps.until("settled", 1)
                assert worker.record(message).state is State.CANCELLED

        asyncio.run(main())

    def test_a_lost_lease_settles_nothing(
        self, tasks: Tasks, work: Any, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            @tasks.task(if_lost="alert", max_attempts=1)
            async def long(ctx: TaskContext) -> None:
                while True:
                    ctx.checkpoint(1)
                    await asyncio.sleep(0)

            async with work(poll_s=OFTEN_S) as worker:
                message = await worker.send(long)
                await worker.steps.until("call", 1)
                clock.advance(3600)
                await worker.steps.until("settled", 1)
                assert worker.record(message).reason == "used_up"
            assert "was no longer ours" in caplog.text

        asyncio.run(main())


class TestAnEventLoopThatEndsWithoutAStop:
    def test_keeps_no_message_from_others(
        self, tasks: Tasks, queue: MemoryQueue, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Its process may live on: in a thread that does not end, or as the host of something else."""
        go, ended = threading.Event(), threading.Event()

        @tasks.task(if_lost="alert", name="deaf", max_attempts=9)
        def deaf(ctx: TaskContext) -> None:
            go.wait(WAIT_S)
            with pytest.raises(Interrupted, match="lease_lost"):
                ctx.checkpoint(1)
            ended.set()

        async def begin() -> str:
            await runtime.start()
            message = await worker.send(deaf)
            await worker.steps.until("call", 1)
            return message

        runtime = runtime_of(tasks, queue, queue, clock)
        worker, loop, flushes = Working(runtime, queue), asyncio.new_event_loop(), Flushes(queue)
        message = loop.run_until_complete(begin())
        assert runtime._worker is not None
        keeper = runtime._worker._keeper

        clock.advance(30)
        for _ in range(2):
            keeper.extend()
        assert worker.record(message).visible_at == clock.now() + 30, "a lease of 60 s, not extended"
        assert caplog.text.count("the 1 lease(s) it holds are extended no more") == 1
        flushes.kinds.clear()
        runtime.send_blocking(deaf, (), {})
        assert [flush for flush in flushes.kinds if "Send" in flush and "Receive" in flush] == []

        clock.advance(30)
        runtime.batcher.ask_blocking(Reap())
        assert worker.record(message).state is State.WAITING
        go.set()
        assert ended.wait(WAIT_S)
        loop.run_until_complete(runtime.stop(0.0))
        loop.close()


class TestStrangers:
    """Messages whose task no live worker knows."""

    async def send_a_stranger(self, worker: Working, body: str) -> None:
        stranger = Outgoing("s1", "default", "gone", body, "digest", worker.runtime.clock.now())
        await worker.runtime.batcher.ask(Send((stranger,)))

    def test_wait_under_patience_and_then_die(
        self, tasks: Tasks, work: Any, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        @tasks.task(if_lost="alert")
        async def known() -> None: ...

        gone = Tasks().task(if_lost="alert", name="gone", patience_s=60)(known)

        async def main() -> None:
            async with work(poll_s=OFTEN_S) as worker:
                body = worker.runtime.sender.prepare(gone, (), {}).body
                await self.send_a_stranger(worker, body)
                await worker.steps.until("settled", 1)
                assert (
                    "it waits for a worker that does until 2030-01-01 00:01:00+00:00, then it is dead"
                    in caplog.text
                )
                for seconds, times in ((30, 2), (30, 3)):
                    assert worker.record("s1").state is State.WAITING
                    clock.advance(seconds)
                    await worker.steps.until("settled", times)
                record = worker.record("s1")
                assert (record.state, record.reason, record.attempt) == (State.DEAD, "unknown_task", 1)
            assert caplog.text.count("is not understood here") == 1

        asyncio.run(main())

    def test_are_left_to_those_who_know_them(
        self, tasks: Tasks, work: Any, queue: MemoryQueue, clock: VirtualClock
    ) -> None:
        @tasks.task(if_lost="alert")
        async def known() -> None: ...

        others = Tasks()
        others.task(if_lost="alert", name="gone")(known)

        async def main() -> None:
            async with work(poll_s=OFTEN_S) as worker, working(others, queue, queue, clock) as other:
                other.runtime.begin_stop()
                await other.runtime.batcher.ask(CancelMessage("nobody"))  # behind its receive under way
                await self.send_a_stranger(worker, worker.runtime.sender.prepare(known, (), {}).body)
                flushes = Flushes(queue)
                await flushes.until("Reap", 3 * module.STRANGERS_EVERY)
                assert worker.record("s1").deliveries == 0

        asyncio.run(main())


@pytest.mark.parametrize("max_attempts", [1, 2], ids=["dead", "tried-again"])
def test_the_log_tells_errors_without_secrets_and_in_one_line(
    tasks: Tasks, work: Any, caplog: pytest.LogCaptureFixture, max_attempts: int
) -> None:
    """What a screen and an alert mask does not stand in the log beside them."""

    @tasks.task(if_lost="alert", max_attempts=max_attempts)
    async def connect(api_key: str) -> None:
        raise RuntimeError(f"{api_key} was refused\nby postgresql://ada:hunter2@db/flights")

    async def main() -> None:
        async with work() as worker:
            await worker.send(connect, "sk-12345")
            await worker.steps.until("settled", 1)

    with caplog.at_level(logging.INFO, "twolane.worker"):
        asyncio.run(main())
    told = [record.getMessage() for record in caplog.records if record.name == "twolane.worker"]
    error = "RuntimeError: [masked] was refused by postgresql://[masked]@db/flights"
    assert sum(error in line for line in told) == 1
    assert not any("\n" in line for line in told)
