"""The worker, over a queue in memory."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from tests.engine.working import WAIT_S, Flushes
from twolane import Tasks
from twolane.backends.memory import MemoryQueue
from twolane.contracts.queue import CancelMessage, Receive, Send
from twolane.engine import worker as module
from twolane.values.record import State


class Running:
    """How many of something run at a time."""

    def __init__(self) -> None:
        self.now = self.most = self.all = 0
        self._guard = threading.Lock()

    def __enter__(self) -> None:
        with self._guard:
            self.now += 1
            self.all += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self.now -= 1


@pytest.fixture
def running() -> Running:
    return Running()


def test_what_a_stop_does_not_wait_for_is_interrupted_and_settled(tasks: Tasks, work: Any) -> None:
    """Not only given back as the worker signs off, which is five seconds later."""

    async def main() -> None:
        @tasks.task(if_lost="alert")
        async def endless() -> None:
            await asyncio.Event().wait()

        async with work() as worker:
            message = await worker.send(endless)
            await worker.steps.until("call", 1)
            await worker.runtime.stop(0.0)
            assert worker.steps.seen["settled"] == 1
            assert worker.record(message).state is State.WAITING

    asyncio.run(main())


class TestSlots:
    def test_bound_how_many_run(self, tasks: Tasks, work: Any, running: Running) -> None:
        async def main() -> None:
            go = asyncio.Event()

            @tasks.task(if_lost="alert")
            async def one() -> None:
                with running:
                    await go.wait()

            async with work(slots=3) as worker:
                for _ in range(10):
                    await worker.send(one)
                await worker.steps.until("call", 3)
                await worker.send(one)
                assert worker.counts() == {State.RUNNING: 3, State.WAITING: 8}
                go.set()
                await worker.steps.until("settled", 11)
                assert worker.counts() == {State.DONE: 11}
            assert running.most == 3

        asyncio.run(main())

    def test_sync_tasks_are_received_only_where_a_thread_is_free(
        self, tasks: Tasks, work: Any, running: Running
    ) -> None:
        go, in_thread = threading.Event(), threading.Semaphore(0)

        @tasks.task(if_lost="alert")
        def sync_one() -> None:
            with running:
                in_thread.release()
                go.wait(WAIT_S)

        @tasks.task(if_lost="alert")
        async def async_one() -> None: ...

        async def main() -> None:
            async with work(slots=10, sync_threads=2) as worker:
                for _ in range(6):
                    await worker.send(sync_one)
                for _ in range(2):  # a step is told before the thread has begun
                    assert await asyncio.to_thread(in_thread.acquire, timeout=WAIT_S)
                for _ in range(3):
                    await worker.send(async_one)
                await worker.steps.until("settled", 3)
                assert worker.counts() == {State.DONE: 3, State.RUNNING: 2, State.WAITING: 4}
                go.set()
                await worker.steps.until("settled", 9)

        asyncio.run(main())
        assert (running.most, running.all) == (2, 6)

    def test_a_thread_that_became_free_while_a_receive_was_under_way_is_asked_for(
        self, tasks: Tasks, work: Any, queue: MemoryQueue
    ) -> None:
        @tasks.task(if_lost="alert")
        def sync_one() -> None: ...

        @tasks.task(if_lost="alert", name="async_one")
        async def async_one() -> None: ...

        async def main() -> None:
            async with work(slots=3) as worker:
                await worker.runtime.batcher.ask(CancelMessage("nobody"))
                received = worker.runtime._worker
                for no_other_receive in received._ends:
                    no_other_receive()
                sender = worker.runtime.sender
                await worker.runtime.batcher.ask(Send((sender.outgoing(sender.prepare(sync_one, (), {})),)))
                limit, _ = received._slots.reserve()
                received._received(Receive("w", ("default",), ("async_one",), limit, 60.0), ())
                await worker.steps.until("settled", 1)

        asyncio.run(main())

    @pytest.mark.parametrize("sync_threads", [1, 2])
    def test_the_next_sync_task_waits_for_no_poll(self, tasks: Tasks, work: Any, sync_threads: int) -> None:
        @tasks.task(if_lost="alert")
        def quick() -> None: ...

        async def main() -> None:
            async with work(sync_threads=sync_threads) as worker:
                await asyncio.gather(*(worker.send(quick) for _ in range(300)))
                await worker.steps.until("settled", 300)

        asyncio.run(main())

    def test_that_sync_tasks_keep_for_ever_are_told_once_and_async_ones_go_on(
        self, tasks: Tasks, work: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        end = threading.Event()
        monkeypatch.setattr(module, "MAX_STUCK", 2)

        @tasks.task(if_lost="alert", timeout_s=0.01, max_attempts=1)
        def endless() -> None:
            end.wait(WAIT_S)

        @tasks.task(if_lost="alert")
        async def quick() -> None: ...

        async def main() -> None:
            async with work(sync_threads=4) as worker:
                for _ in range(2):
                    await worker.send(endless)
                await worker.steps.until("settled", 2)
                waits = await worker.send(endless)
                await worker.send(quick)
                await worker.steps.until("settled", 3)
                assert worker.record(waits).state is State.WAITING
                assert worker.counts()[State.DEAD] == 2
                end.set()

        asyncio.run(main())
        told = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert len(told) == 1
        assert "takes no more sync work" in told[0].getMessage()


class TestFlushes:
    def test_a_send_and_its_receive_are_one(self, tasks: Tasks, work: Any, queue: MemoryQueue) -> None:
        @tasks.task(if_lost="alert")
        async def quick() -> None: ...

        async def main() -> None:
            async with work() as worker:
                await worker.runtime.batcher.ask(CancelMessage("nobody"))
                flushes = Flushes(queue)
                await worker.send(quick)
                await worker.steps.until("settled", 1)
                sends = [flush for flush in flushes.kinds if "Send" in flush]
                acks = [flush for flush in flushes.kinds if "AckDelivery" in flush]
                assert [flush[-1] for flush in (*sends, *acks)] == ["Receive", "Receive"]
                assert sum(flush.count("Receive") for flush in flushes.kinds) == len(flushes.kinds)

        asyncio.run(main())

    def test_that_another_process_made_while_a_receive_was_under_way_are_not_missed(
        self, tasks: Tasks, work: Any, queue: MemoryQueue
    ) -> None:
        flush = queue.flush
        flushes = Flushes(queue)

        @tasks.task(if_lost="alert")
        async def quick() -> None: ...

        async def main() -> None:
            async with work() as worker:
                for last_of_the_start in ("Prune", "RegisterTargets"):
                    await flushes.until(last_of_the_start, 1)
                sender = worker.runtime.sender
                late = [Send((sender.outgoing(sender.prepare(quick, (), {})),))]

                def flush_and_send_behind_its_back(entries: Any) -> Any:
                    answers = flush(entries)
                    if late and any(isinstance(entry, Receive) for entry in entries):
                        other = threading.Thread(target=flush, args=([late.pop()],))
                        other.start()
                        other.join()
                    return answers

                queue.flush = flush_and_send_behind_its_back  # type: ignore[method-assign]
                await worker.runtime.batcher.ask(CancelMessage("nobody"))
                await worker.steps.until("settled", 1)

        asyncio.run(main())

    def test_that_fill_some_slots_only_let_the_worker_reckon_its_rest_anew(
        self, tasks: Tasks, work: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was sent beside it with a delay may be visible before the next poll."""

        @tasks.task(if_lost="alert")
        async def one() -> None: ...

        async def main() -> None:
            async with work(slots=2) as worker:
                await worker.runtime.batcher.ask(CancelMessage("nobody"))
                reckoned = asyncio.Event()
                monkeypatch.setattr(worker.runtime._worker._rest, "look_again", reckoned.set)
                await worker.send(one)
                await asyncio.wait_for(reckoned.wait(), WAIT_S)

        asyncio.run(main())

    def test_of_a_worker_whose_slots_are_full_carry_no_receive(
        self, tasks: Tasks, work: Any, queue: MemoryQueue
    ) -> None:
        async def main() -> None:
            go = asyncio.Event()

            @tasks.task(if_lost="alert")
            async def one() -> None:
                await go.wait()

            async with work(slots=1) as worker:
                await worker.send(one)
                await worker.steps.until("call", 1)
                flushes = Flushes(queue)
                await worker.send(one)
                assert not any("Receive" in flush for flush in flushes.kinds)
                go.set()
                await worker.steps.until("settled", 2)

        asyncio.run(main())


class TestStop:
    def test_lets_what_runs_finish(self, tasks: Tasks, work: Any) -> None:
        async def main() -> None:
            go = asyncio.Event()

            @tasks.task(if_lost="alert")
            async def one() -> str:
                await go.wait()
                return "finished"

            async with work() as worker:
                message = await worker.send(one)
                await worker.steps.until("call", 1)
                stopping = asyncio.create_task(worker.runtime.stop(WAIT_S))
                await asyncio.sleep(0)
                go.set()
                await stopping
                assert worker.record(message).result == "finished"

        asyncio.run(main())

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_releases_the_rest_without_using_an_attempt(self, tasks: Tasks, work: Any, kind: str) -> None:
        end = threading.Event()

        async def main() -> None:
            async def async_one() -> None:
                await asyncio.Event().wait()

            def sync_one() -> None:
                end.wait(WAIT_S)

            task = tasks.task(if_lost="alert")(async_one if kind == "async" else sync_one)  # type: ignore[arg-type]
            async with work(grace_s=0) as worker:
                message = await worker.send(task)
                await worker.steps.until("call", 1)
            record = worker.record(message)
            assert (record.state, record.attempt, record.deliveries) == (State.WAITING, 1, 1)
            assert worker.records.stats().workers == ()

        asyncio.run(main())
        end.set()

    def test_a_second_sign_hurries(self, tasks: Tasks, work: Any) -> None:
        async def main() -> None:
            @tasks.task(if_lost="alert")
            async def endless() -> None:
                await asyncio.Event().wait()

            async with work() as worker:
                message = await worker.send(endless)
                await worker.steps.until("call", 1)
                stopping = asyncio.create_task(worker.runtime.stop(3600))
                await asyncio.sleep(0)
                worker.runtime.hurry()
                await asyncio.wait_for(stopping, WAIT_S)
                assert worker.record(message).state is State.WAITING

        asyncio.run(main())

    def test_what_arrives_late_is_released(self, tasks: Tasks, work: Any, queue: MemoryQueue) -> None:
        ran: list[int] = []

        @tasks.task(if_lost="alert")
        async def one() -> None:
            ran.append(1)

        async def main() -> None:
            received, go, flush = threading.Event(), threading.Event(), queue.flush

            def gated(entries: Any) -> Any:
                answers = flush(entries)
                if any(type(entry).__name__ == "Receive" for entry in entries):
                    received.set()
                    go.wait(WAIT_S)
                return answers

            async with work() as worker:
                await worker.runtime.batcher.ask(CancelMessage("nobody"))
                queue.flush = gated  # type: ignore[method-assign]
                sending = asyncio.create_task(worker.send(one))
                await asyncio.to_thread(received.wait, WAIT_S)
                worker.runtime.begin_stop()
                go.set()
                record = worker.record(await sending)
            record = worker.record(record.id)
            assert (record.state, record.attempt, record.deliveries) == (State.WAITING, 1, 1)

        asyncio.run(main())
        assert ran == []

    def test_receives_nothing_more(self, tasks: Tasks, work: Any) -> None:
        @tasks.task(if_lost="alert")
        async def one() -> None: ...

        async def main() -> None:
            async with work() as worker:
                worker.runtime.begin_stop()
                message = await worker.send(one)
                assert worker.record(message).deliveries == 0

        asyncio.run(main())

    def test_ends_although_the_queue_fails(
        self, tasks: Tasks, work: Any, queue: MemoryQueue, caplog: pytest.LogCaptureFixture
    ) -> None:
        @tasks.task(if_lost="alert")
        async def one() -> None: ...

        async def main() -> None:
            async with work() as worker:
                flushes = Flushes(queue)
                flushes.fails = OSError("disk full")
                worker.runtime._worker._slots.reserve()
                await asyncio.wait_for(worker.runtime.stop(0), WAIT_S)

        asyncio.run(main())
        assert "could not sign off" in caplog.text
