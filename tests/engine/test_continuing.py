"""A delivery that runs out of its process's time goes on from its last checkpoint, or has used up an attempt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from twolane import Interrupted, TaskContext, Tasks
from twolane.engine.dead_letters import redrive
from twolane.engine.hold import Hold
from twolane.engine.run import Ran
from twolane.testing import VirtualClock
from twolane.values.message import Continuation, decode, encode
from twolane.values.outcome import RanOut, Reason, Succeeded, Unrunnable
from twolane.values.record import DeadLetter, Record, State


def test_told_to_pause_it_ends_at_its_next_checkpoint_and_goes_on_from_there(
    tasks: Tasks, held: Callable[..., Hold], do: Callable[[Hold], Ran]
) -> None:
    @tasks.task(if_lost="alert", timeout_s=100)
    def work(ctx: TaskContext) -> None:
        ctx.checkpoint({"row": 1})
        hold.pause()
        ctx.checkpoint({"row": 2})
        raise AssertionError("it goes on elsewhere")

    hold = held(work)
    outcome = do(hold).outcome

    assert isinstance(outcome, RanOut)
    assert outcome.body is not None
    goes_on = decode(outcome.body)
    deadline_at = hold.delivery.received_at + 400
    assert goes_on.continuation == Continuation(1, {"row": 2}, deadline_at)
    assert goes_on._replace(continuation=None) == decode(hold.delivery.body)


def test_an_async_task_too(tasks: Tasks, held: Callable[..., Hold], do: Callable[[Hold], Ran]) -> None:
    cleaned = False

    @tasks.task(if_lost="alert")
    async def work(ctx: TaskContext) -> None:
        nonlocal cleaned
        hold.pause()
        try:
            ctx.checkpoint(1)
        finally:
            await asyncio.sleep(0)
            cleaned = True

    hold = held(work)
    outcome = do(hold).outcome

    assert isinstance(outcome, RanOut)
    assert outcome.body is not None
    assert cleaned, "it was not cancelled in its own cleaning up"


def test_what_does_not_heed_it_is_left_and_goes_on_from_what_it_had_saved(
    tasks: Tasks, held: Callable[..., Hold], do: Callable[[Hold], Ran]
) -> None:
    left = threading.Event()
    ends: list[str] = []

    @tasks.task(if_lost="alert")
    def work(ctx: TaskContext) -> None:
        ctx.checkpoint(7)
        hold.interrupt("out_of_time")
        left.wait()
        try:
            ctx.checkpoint(8)
        except Interrupted as why:
            ends.append(str(why))
            raise

    hold = held(work)
    ran = do(hold)
    left.set()

    assert ran.stuck
    assert isinstance(ran.outcome, RanOut)
    assert ran.outcome.body is not None
    assert decode(ran.outcome.body).continuation is not None
    assert hold.saved is not None
    assert hold.saved.cursor == 7, "what comes after it was left is saved no more"


def test_without_a_new_checkpoint_it_does_not_go_on(
    tasks: Tasks, held: Callable[..., Hold], do: Callable[[Hold], Ran]
) -> None:
    @tasks.task(if_lost="alert")
    async def work() -> None:
        hold.interrupt("out_of_time")
        await asyncio.Event().wait()

    hold = held(work)
    outcome = do(hold).outcome

    assert isinstance(outcome, RanOut)
    assert (outcome.body, outcome.had_time) == (None, True)
    assert "saved no new checkpoint" in outcome.failure.message


def test_one_that_began_late_is_not_to_blame(
    tasks: Tasks, held: Callable[..., Hold], do: Callable[[Hold], Ran]
) -> None:
    @tasks.task(if_lost="alert")
    async def work() -> None:
        hold.interrupt("out_of_time")
        await asyncio.Event().wait()

    hold = held(work)
    hold.began_late = True

    outcome = do(hold).outcome
    assert isinstance(outcome, RanOut)
    assert not outcome.had_time


def continued(hold: Hold, number: int, deadline_at: float, cursor: Any = None) -> Hold:
    message = decode(hold.delivery.body)._replace(continuation=Continuation(number, cursor, deadline_at))
    return Hold(hold.delivery._replace(body=encode(message)))


def test_a_second_part_counts_on_and_keeps_the_deadline(
    tasks: Tasks, held: Callable[..., Hold], do: Callable[[Hold], Ran], clock: VirtualClock
) -> None:
    @tasks.task(if_lost="alert")
    def work(ctx: TaskContext) -> int:
        hold.pause()
        ctx.checkpoint(ctx.cursor + 1)
        return 0

    hold = continued(held(work), 3, clock.now() + 50, cursor=30)
    outcome = do(hold).outcome

    assert isinstance(outcome, RanOut)
    assert outcome.body is not None
    goes_on = decode(outcome.body).continuation
    assert goes_on == Continuation(4, 31, clock.now() + 50), "the cursor of a queue that keeps no checkpoints"


def test_over_the_deadline_of_all_parts_it_is_dead(
    tasks: Tasks, held: Callable[..., Hold], do: Callable[[Hold], Ran], clock: VirtualClock
) -> None:
    @tasks.task(if_lost="alert")
    def work(ctx: TaskContext) -> None:
        hold.pause()
        clock.advance(100)
        ctx.checkpoint(1)

    hold = continued(held(work), 2, clock.now() + 50)
    for _ in range(2):  # at its end, and when it would begin
        outcome = do(hold).outcome
        assert isinstance(outcome, Unrunnable)
        assert outcome.reason is Reason.TIMED_OUT
        assert "4 times its time-out" in outcome.failure.message


def test_sent_back_it_has_a_deadline_no_more(
    tasks: Tasks, held: Callable[..., Hold], do: Callable[[Hold], Ran], clock: VirtualClock
) -> None:
    @tasks.task(if_lost="alert")
    def work() -> None: ...

    hold = continued(held(work), 2, clock.now() - 1)
    record = Record(
        hold.delivery.id,
        hold.delivery.task,
        "default",
        State.DEAD,
        attempt=1,
        deliveries=1,
        sent_at=0,
        visible_at=0,
    )

    again = redrive(DeadLetter(record, hold.delivery.body, ()), clock.now())

    assert again.body is not None
    assert decode(again.body).continuation is None
    assert do(Hold(hold.delivery._replace(body=again.body))).outcome == Succeeded()
