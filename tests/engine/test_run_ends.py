"""One delivery, run: time-outs and interruptions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from twolane import Interrupted, TaskContext, Tasks
from twolane.engine import on_loop as module
from twolane.engine.hold import Hold
from twolane.engine.run import Ran, Surroundings, begin, run
from twolane.engine.threads import Threads
from twolane.values import outcome as did
from twolane.values.policy import Policy

Held = Callable[..., Hold]
Do = Callable[[Hold], Ran]
Make = Callable[..., Any]


def failure_of(ran: Ran) -> did.Failure:
    failure: did.Failure = ran.outcome.failure  # type: ignore[union-attr]
    return failure


class TestTimeOuts:
    def test_of_an_async_task_cancel_it(self, tasks: Tasks, held: Held, do: Do) -> None:
        cleaned = threading.Event()

        @tasks.task(if_lost="alert", timeout_s=0.01)
        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.set()

        ran = do(held(endless))
        assert isinstance(ran.outcome, did.TimedOut)
        assert failure_of(ran).message == "it took longer than its time-out of 0.01 s"
        assert not ran.stuck
        assert cleaned.is_set()

    def test_of_an_async_task_that_ignores_it_give_up_its_slot(
        self, tasks: Tasks, held: Held, around: Surroundings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "UNHEEDED_S", 0.01)

        async def main() -> Ran:
            end = asyncio.Event()

            @tasks.task(if_lost="alert", timeout_s=0.01)
            async def stubborn() -> None:
                while not end.is_set():
                    try:
                        await end.wait()
                    except asyncio.CancelledError:
                        continue

            ran = await run(await asyncio.to_thread(held, stubborn), around)
            end.set()
            return ran

        ran = asyncio.run(main())
        assert isinstance(ran.outcome, did.TimedOut)
        assert ran.stuck

    def test_of_a_sync_task_give_up_its_slot_and_its_thread(
        self, tasks: Tasks, held: Held, do: Do, threads: Threads
    ) -> None:
        end, ended = threading.Event(), threading.Event()

        @tasks.task(if_lost="alert", timeout_s=0.01)
        def endless() -> None:
            end.wait(30)
            ended.set()

        ran = do(held(endless))
        assert isinstance(ran.outcome, did.TimedOut)
        assert ran.stuck
        assert threads.stuck == 1
        end.set()
        assert ended.wait(30)

    def test_do_not_run_while_a_sync_task_waits_for_a_thread(
        self, tasks: Tasks, held: Held, around: Surroundings
    ) -> None:
        go, one = threading.Event(), Threads(1, name="one")

        @tasks.task(if_lost="alert", timeout_s=0.05)
        def quick() -> str:
            return "done"

        async def main() -> Ran:
            one.submit(lambda: go.wait(30))
            running = asyncio.create_task(
                run(await asyncio.to_thread(held, quick), replace(around, threads=one))
            )
            await asyncio.wait([running], timeout=0.2)
            assert not running.done()
            go.set()
            return await running

        assert asyncio.run(main()).outcome == did.Succeeded("done")
        one.close()

    def test_that_a_sync_task_notices_at_its_checkpoint(self, tasks: Tasks, held: Held, do: Do) -> None:
        noticed = threading.Event()

        @tasks.task(if_lost="alert", timeout_s=0.01)
        def long(ctx: TaskContext) -> None:
            try:
                while True:
                    ctx.checkpoint(1)
            finally:
                noticed.set()

        assert isinstance(do(held(long)).outcome, did.TimedOut)
        assert noticed.wait(30)


class TestInterruptions:
    OUTCOMES = (
        ("cancelled", did.WasCancelled()),
        ("lease_lost", did.LostLease()),
        ("stopping", did.WasStopped()),
    )

    @pytest.mark.parametrize(("why", "outcome"), OUTCOMES)
    def test_of_an_async_task(
        self, tasks: Tasks, held: Held, around: Surroundings, why: str, outcome: did.Outcome
    ) -> None:
        async def main() -> Ran:
            began = asyncio.Event()

            @tasks.task(if_lost="alert")
            async def endless() -> None:
                began.set()
                await asyncio.Event().wait()

            hold = await asyncio.to_thread(held, endless)
            running = asyncio.create_task(run(hold, around))
            await began.wait()
            await asyncio.to_thread(hold.interrupt, why)
            return await running

        assert asyncio.run(main()).outcome == outcome

    @pytest.mark.parametrize(("why", "outcome"), OUTCOMES)
    def test_of_a_sync_task_at_its_checkpoint(
        self, tasks: Tasks, held: Held, around: Surroundings, why: str, outcome: did.Outcome
    ) -> None:
        began, go = threading.Event(), threading.Event()

        @tasks.task(if_lost="alert")
        def long(ctx: TaskContext) -> None:
            began.set()
            go.wait(30)
            ctx.checkpoint(1)

        async def main() -> Ran:
            hold = await asyncio.to_thread(held, long)
            running = asyncio.create_task(run(hold, around))
            await asyncio.to_thread(began.wait)
            hold.interrupt(why)
            go.set()
            return await running

        assert asyncio.run(main()).outcome == outcome

    def test_a_sync_task_that_is_cancelled_keeps_its_slot_until_it_notices(
        self, tasks: Tasks, held: Held, around: Surroundings
    ) -> None:
        began, go = threading.Event(), threading.Event()

        @tasks.task(if_lost="alert")
        def deaf() -> str:
            began.set()
            go.wait(30)
            return "the result"

        async def main() -> Ran:
            hold = await asyncio.to_thread(held, deaf)
            running = asyncio.create_task(run(hold, around))
            await asyncio.to_thread(began.wait)
            hold.interrupt("cancelled")
            await asyncio.wait([running], timeout=0.05)
            assert not running.done()
            go.set()
            return await running

        assert asyncio.run(main()) == Ran(did.Succeeded("the result"), Policy())

    def test_a_sync_task_that_is_left_before_a_thread_was_free_never_runs(
        self, tasks: Tasks, held: Held, around: Surroundings
    ) -> None:
        go, one, ran = threading.Event(), Threads(1, name="one"), list[int]()
        hold = held(tasks.task(if_lost="alert", name="work")(lambda: ran.append(1)))

        async def main() -> Ran:
            one.submit(lambda: go.wait(30))
            running = asyncio.create_task(run(hold, replace(around, threads=one)))
            await asyncio.sleep(0)
            hold.interrupt("stopping")
            return await running

        assert asyncio.run(main()) == Ran(did.WasStopped(), Policy())
        go.set()
        behind = threading.Event()
        one.submit(behind.set)
        assert behind.wait(30)
        assert (ran, one.stuck) == ([], 0)
        one.close()

    @pytest.mark.parametrize("then", ["timed_out", "lease_lost", "stopping"])
    def test_a_sync_task_that_swallows_its_cancellation_is_left_at_the_next_reason(
        self, tasks: Tasks, held: Held, around: Surroundings, threads: Threads, then: str
    ) -> None:
        swallowed, end, ended = threading.Event(), threading.Event(), threading.Event()

        @tasks.task(if_lost="alert")
        def deaf(ctx: TaskContext) -> None:
            hold.interrupt("cancelled")
            with pytest.raises(Interrupted, match="cancelled"):
                ctx.checkpoint(1)
            swallowed.set()
            end.wait(30)
            ended.set()

        async def main() -> Ran:
            running = asyncio.create_task(run(hold, around))
            await asyncio.to_thread(swallowed.wait, 30)
            hold.interrupt(then)
            return await asyncio.wait_for(running, 30)

        hold = held(deaf)
        ran = asyncio.run(main())
        assert (ran.outcome, ran.stuck, threads.stuck) == (did.WasCancelled(), True, 1)
        end.set()
        assert ended.wait(30)

    def test_a_sync_task_whose_loop_is_closed_hears_of_it_at_its_checkpoint(
        self, tasks: Tasks, held: Held, around: Surroundings
    ) -> None:
        began, go, noticed = threading.Event(), threading.Event(), threading.Event()

        @tasks.task(if_lost="alert")
        def long(ctx: TaskContext) -> None:
            began.set()
            go.wait(30)
            with pytest.raises(Interrupted, match="lease_lost"):
                ctx.checkpoint(1)
            noticed.set()

        async def main() -> None:
            begin(hold, around, lambda ran: None)
            await asyncio.to_thread(began.wait, 30)

        hold = held(long)
        asyncio.run(main())
        hold.interrupt("lease_lost")
        go.set()
        assert noticed.wait(30)

    def test_an_async_task_that_is_cancelled_cleans_up_undisturbed(
        self, tasks: Tasks, held: Held, around: Surroundings
    ) -> None:
        async def main() -> Ran:
            began, cleans, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

            @tasks.task(if_lost="alert")
            async def tidy() -> str:
                try:
                    began.set()
                    await asyncio.Event().wait()
                finally:
                    cleans.set()
                    await go.wait()
                    cleaned.append(True)

            hold = await asyncio.to_thread(held, tidy)
            running = asyncio.create_task(run(hold, around))
            await began.wait()
            hold.interrupt("cancelled")
            await cleans.wait()
            hold.interrupt("stopping")
            await asyncio.sleep(0)  # a turn for what it asks of the loop
            await asyncio.sleep(0)
            go.set()
            return await running

        cleaned: list[bool] = []
        assert asyncio.run(main()).outcome == did.WasCancelled()
        assert cleaned == [True]

    def test_before_it_began_nothing_of_it_runs(self, make: Make, held: Held, do: Do) -> None:
        ran: list[int] = []
        hold = held(make(lambda: ran.append(1)))
        hold.interrupt("stopping")
        assert do(hold).outcome == did.WasStopped()
        assert ran == []

    def test_what_a_task_raises_while_it_ends_is_its_failure(self, tasks: Tasks, held: Held, do: Do) -> None:
        @tasks.task(if_lost="alert", timeout_s=0.01)
        async def untidy() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("while it cleaned up")

        ran = do(held(untidy))
        assert isinstance(ran.outcome, did.Failed)
        assert failure_of(ran).message == "while it cleaned up"
