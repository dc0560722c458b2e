"""Time-outs that share one timer."""

from __future__ import annotations

import asyncio

from twolane.contracts.queue import Delivery
from twolane.engine.deadlines import Deadlines
from twolane.engine.hold import Hold


def a_hold() -> tuple[Hold, asyncio.Future[str | None]]:
    """A hold, and what is told when it is interrupted."""
    hold = Hold(
        Delivery(
            id="m",
            queue="default",
            task="t",
            body="{}",
            receipt="1.r",
            attempt=1,
            received_at=0.0,
            lease_until=60.0,
        )
    )
    told: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    hold.on_interrupt(lambda: told.set_result(hold.why))
    return hold, told


def test_each_is_interrupted_in_its_turn() -> None:
    async def main() -> None:
        deadlines = Deadlines()
        (late, late_told), (early, early_told) = a_hold(), a_hold()
        deadlines.set(late, 0.2)
        deadlines.set(early, 0.0)
        assert await early_told == "timed_out"
        assert late.why is None
        assert await late_told == "timed_out"

    asyncio.run(main())


def test_what_has_ended_is_left_alone() -> None:
    async def main() -> None:
        deadlines = Deadlines()
        (first, _), (last, told) = a_hold(), a_hold()
        deadlines.set(first, 0.0)
        deadlines.clear(first)
        deadlines.clear(first)
        deadlines.set(last, 0.05)
        assert await told == "timed_out"
        assert first.why is None

    asyncio.run(main())


def test_one_that_comes_behind_a_later_one_that_ended_is_interrupted() -> None:
    async def main() -> None:
        deadlines = Deadlines()
        (first, _), (second, told) = a_hold(), a_hold()
        deadlines.set(first, 0.01)
        deadlines.set(second, 0.02)
        deadlines.clear(first)  # the timer looks, finds nothing due, and waits for the second
        assert await told == "timed_out"

    asyncio.run(main())


def test_of_another_loop_are_forgotten() -> None:
    deadlines = Deadlines()

    async def one() -> Hold:
        hold, _ = a_hold()
        deadlines.set(hold, 60.0)
        return hold

    async def other() -> None:
        hold, told = a_hold()
        deadlines.set(hold, 0.0)
        assert await told == "timed_out"

    left = asyncio.run(one())
    asyncio.run(other())
    assert left.why is None


def test_one_that_fails_keeps_no_other_from_its_own() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        deadlines, failures = Deadlines(), []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        (first, _), (second, told) = a_hold(), a_hold()
        first.on_interrupt(broken)
        deadlines.set(first, 0.0)
        deadlines.set(second, 0.0)
        assert await told == "timed_out"
        assert [type(each["exception"]) for each in failures] == [ZeroDivisionError]

    asyncio.run(main())
