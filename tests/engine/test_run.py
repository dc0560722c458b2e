"""One delivery, run: what each end of a function comes to."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from twolane import GiveUp, RetryLater, TaskContext, Tasks
from twolane.contracts.queue import Delivery
from twolane.engine import failures, outcomes
from twolane.engine import run as module
from twolane.engine.hold import Hold
from twolane.engine.run import Ran, Surroundings, run
from twolane.testing import VirtualClock
from twolane.values import outcome as did
from twolane.values.message import decode
from twolane.values.policy import Policy

Held = Callable[..., Hold]
Do = Callable[[Hold], Ran]
Make = Callable[..., Any]


def raises(error: BaseException) -> Callable[[], Any]:
    def body() -> Any:
        raise error

    return body


def failure_of(ran: Ran) -> did.Failure:
    failure: did.Failure = ran.outcome.failure  # type: ignore[union-attr]
    return failure


class TestOutcomes:
    def test_success(self, make: Make, held: Held, do: Do, steps: list[str]) -> None:
        assert do(held(make(lambda: {"rows": 7}, max_attempts=9))) == Ran(
            did.Succeeded({"rows": 7}), Policy(max_attempts=9)
        )
        assert steps == ["read", "call"]

    def test_an_exception(self, make: Make, held: Held, do: Do) -> None:
        ran = do(held(make(raises(ValueError("no seats")))))
        assert isinstance(ran.outcome, did.Failed)
        assert not ran.outcome.final
        assert (failure_of(ran).error_type, failure_of(ran).message) == ("ValueError", "no seats")

    @pytest.mark.parametrize(
        ("options", "error", "final"),
        [
            ({"retry_on": (OSError,)}, ConnectionError(), False),
            ({"retry_on": (OSError,)}, ValueError(), True),
            ({"give_up_on": (OSError,)}, ConnectionError(), True),
            ({"give_up_on": (OSError,)}, ValueError(), False),
            ({"retry_on": (OSError,), "give_up_on": (ConnectionError,)}, ConnectionError(), True),
            ({"retry_on": (OSError,), "give_up_on": (ConnectionError,)}, TimeoutError(), False),
        ],
    )
    def test_the_type_of_an_exception_may_end_it(
        self, make: Make, held: Held, do: Do, options: Any, error: Exception, final: bool
    ) -> None:
        outcome = do(held(make(raises(error), **options))).outcome
        assert isinstance(outcome, did.Failed)
        assert outcome.final is final

    def test_retry_later(self, make: Make, held: Held, do: Do) -> None:
        outcome = do(held(make(raises(RetryLater(7, "busy"))))).outcome
        assert isinstance(outcome, did.AskedForRetry)
        assert (outcome.after_s, outcome.failure.message) == (7, "busy")

    def test_give_up(self, make: Make, held: Held, do: Do) -> None:
        outcome = do(held(make(raises(GiveUp("expired", public="Your card has expired."))))).outcome
        assert isinstance(outcome, did.GaveUp)
        assert (outcome.public, outcome.failure.message) == ("Your card has expired.", "expired")

    def test_sys_exit_is_a_failure_of_the_task(self, make: Make, held: Held, do: Do) -> None:
        ran = do(held(make(lambda: sys.exit("bye"))))
        assert isinstance(ran.outcome, did.Failed)
        assert "bye" in failure_of(ran).message

    def test_a_cancellation_that_nobody_asked_for_is_a_failure(self, make: Make, held: Held, do: Do) -> None:
        ran = do(held(make(raises(asyncio.CancelledError("mine")))))
        assert isinstance(ran.outcome, did.Failed)
        assert failure_of(ran).error_type == "CancelledError"

    def test_a_group_of_exceptions_tells_each(self, make: Make, held: Held, do: Do) -> None:
        ran = do(held(make(raises(ExceptionGroup("several", [ValueError("one"), KeyError("two")])))))
        assert isinstance(ran.outcome, did.Failed)
        assert "ValueError: one" in failure_of(ran).traceback
        assert "KeyError: 'two'" in failure_of(ran).traceback

    def test_what_a_task_says_in_a_group_counts_as_what_it_says(
        self, tasks: Tasks, held: Held, do: Do
    ) -> None:
        @tasks.task(if_lost="alert")
        async def work() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails(GiveUp("expired", public="Your card has expired.")))
                group.create_task(fails(RetryLater(7, "busy")))

        async def fails(error: Exception) -> None:
            raise error

        outcome = do(held(work)).outcome
        assert isinstance(outcome, did.GaveUp)
        assert (outcome.public, outcome.failure.message) == ("Your card has expired.", "expired")
        assert outcome.failure.error_type == "GiveUp"
        assert "RetryLater" in outcome.failure.traceback

    def test_the_longest_wait_that_a_group_asks_for_is_meant(self, make: Make, held: Held, do: Do) -> None:
        inner = ExceptionGroup("inner", [RetryLater(9, "busier")])
        outcome = do(held(make(raises(ExceptionGroup("two", [RetryLater(7, "busy"), inner]))))).outcome
        assert isinstance(outcome, did.AskedForRetry)
        assert (outcome.after_s, outcome.failure.message) == (9, "busier")

    @pytest.mark.parametrize(
        ("options", "final"),
        [
            ({"retry_on": (OSError,)}, True),
            ({"retry_on": (OSError, ValueError)}, False),
            ({"retry_on": (ExceptionGroup,)}, False),
            ({"give_up_on": (OSError,)}, True),
            ({"give_up_on": (KeyError,)}, False),
        ],
    )
    def test_the_types_in_a_group_count(
        self, make: Make, held: Held, do: Do, options: Any, final: bool
    ) -> None:
        group = ExceptionGroup("several", [ConnectionError(), ValueError()])
        outcome = do(held(make(raises(group), **options))).outcome
        assert isinstance(outcome, did.Failed)
        assert outcome.final is final

    def test_an_exception_that_cannot_be_shown_is_told_all_the_same(
        self, make: Make, held: Held, do: Do
    ) -> None:
        class Shy(Exception):
            def __str__(self) -> str:
                raise AttributeError

        ran = do(held(make(raises(Shy()))))
        assert isinstance(ran.outcome, did.Failed)
        assert failure_of(ran).error_type == "Shy"

    def test_what_an_exception_says_can_be_stored(self, make: Make, held: Held, do: Do) -> None:
        ran = do(held(make(raises(FileNotFoundError("bad\udcffname\x00")))))
        (failure_of(ran).message + failure_of(ran).traceback).encode()

    def test_times_are_kept(self, make: Make, held: Held, do: Do, clock: VirtualClock) -> None:
        def slow() -> None:
            clock.advance(3)
            raise ValueError

        began = clock.now()
        failure = failure_of(do(held(make(slow))))
        assert (failure.started_at, failure.ended_at) == (began, began + 3)


class TestResults:
    @pytest.mark.parametrize("value", [None, 7, "x", [1, 2], {"a": None}])
    def test_that_are_json_are_kept(self, make: Make, held: Held, do: Do, value: Any) -> None:
        assert do(held(make(lambda: value))).outcome == did.Succeeded(value)

    def test_that_pydantic_can_write_are_kept(self, make: Make, held: Held, do: Do) -> None:
        class Rows(BaseModel):
            rows: int

        assert do(held(make(lambda: Rows(rows=7)))).outcome == did.Succeeded({"rows": 7})

    @pytest.mark.parametrize("value", [object(), float("nan"), lambda: 1, {"a": object()}])
    def test_that_are_no_json_are_dropped_with_a_warning(
        self, make: Make, held: Held, do: Do, value: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert do(held(make(lambda: value))).outcome == did.Succeeded(None)
        assert "work returned what JSON cannot carry" in caplog.text

    def test_whose_writing_raises_anything_are_dropped(
        self, make: Make, held: Held, do: Do, caplog: pytest.LogCaptureFixture
    ) -> None:
        from pydantic import field_serializer

        class Broken(BaseModel):
            a: int

            @field_serializer("a")
            def write(self, value: int) -> int:
                raise KeyError(value)

        assert do(held(make(lambda: Broken(a=1)))).outcome == did.Succeeded(None)
        assert "work returned what JSON cannot carry" in caplog.text

    def test_that_are_large_are_dropped_with_a_warning(
        self, make: Make, held: Held, do: Do, caplog: pytest.LogCaptureFixture
    ) -> None:
        fits = "x" * (outcomes.MAX_RESULT_BYTES - 2)
        task = make(lambda: fits)
        assert do(held(task)).outcome == did.Succeeded(fits)
        fits += "x"
        assert do(held(task)).outcome == did.Succeeded(None)
        assert f"returned {outcomes.MAX_RESULT_BYTES + 1} bytes" in caplog.text

    def test_that_would_have_to_be_awaited_are_a_failure(self, tasks: Tasks, held: Held, do: Do) -> None:
        async def real() -> None: ...

        def wrapped() -> Any:
            return real()

        ran = do(held(tasks.task(if_lost="alert")(wrapped)))
        assert isinstance(ran.outcome, did.Failed)
        assert "returned a coroutine, so nothing of it has run" in failure_of(ran).message


class TestTracebacks:
    def test_show_the_users_frames_and_not_ours(self, make: Make, held: Held, do: Do) -> None:
        text = failure_of(do(held(make(raises(ValueError("no seats")))))).traceback
        assert "in body" in text
        assert text.rstrip().endswith("ValueError: no seats")
        assert str(Path(module.__file__)) not in text

    def test_show_what_an_exception_came_from(self, make: Make, held: Held, do: Do) -> None:
        def caused() -> None:
            try:
                raises(KeyError("the cause"))()
            except KeyError as error:
                raise ValueError("the effect") from error

        def followed() -> None:
            try:
                raises(KeyError("the first"))()
            except KeyError:
                raise ValueError("the second")  # noqa: B904

        text = failure_of(do(held(make(caused)))).traceback
        assert "KeyError: 'the cause'" in text
        assert text.index("the cause") < text.index("the effect")
        assert str(Path(module.__file__)) not in text

    def test_show_during_what_an_exception_happened(self, make: Make, held: Held, do: Do) -> None:
        def followed() -> None:
            try:
                raises(KeyError("the first"))()
            except KeyError:
                raise ValueError("the second")  # noqa: B904

        text = failure_of(do(held(make(followed)))).traceback
        assert text.index("KeyError: 'the first'") < text.index("ValueError: the second")

    def test_are_clipped_to_their_end(self, make: Make, held: Held, do: Do) -> None:
        failure = failure_of(do(held(make(raises(ValueError("x" * 100_000 + "END"))))))
        assert len(failure.message) == failures.MAX_MESSAGE_CHARS
        assert len(failure.traceback) == failures.MAX_TRACEBACK_CHARS
        assert failure.traceback.rstrip().endswith("END")


class TestContext:
    def test_knows_its_delivery(self, tasks: Tasks, held: Held, do: Do) -> None:
        @tasks.task(if_lost="alert", name="work")
        def work(ctx: TaskContext) -> list[Any]:
            return [ctx.id, ctx.task, ctx.attempt, ctx.cursor, ctx.done]

        hold = held(work)
        assert do(hold).outcome == did.Succeeded([hold.delivery.id, "work", 1, None, None])

    def test_sync_tasks_run_in_threads_of_their_own_and_async_ones_on_the_loop(
        self, tasks: Tasks, held: Held, do: Do
    ) -> None:
        @tasks.task(if_lost="alert")
        def sync_one() -> str:
            return threading.current_thread().name

        @tasks.task(if_lost="alert")
        async def async_one() -> bool:
            return threading.current_thread() is threading.main_thread()

        assert do(held(sync_one)).outcome == did.Succeeded("task-1")
        assert do(held(async_one)).outcome == did.Succeeded(True)

    def test_what_one_delivery_sets_the_next_does_not_see(self, make: Make, held: Held, do: Do) -> None:
        variable = ContextVar("variable", default=0)

        def body() -> int:
            before = variable.get()
            variable.set(before + 1)
            return before

        task = make(body)
        assert [do(held(task)).outcome for _ in range(2)] == [did.Succeeded(0)] * 2


def test_a_defect_of_our_own_is_an_outcome_too(
    make: Make, held: Held, around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    def observe(step: str, delivery: Delivery) -> None:
        raise ZeroDivisionError

    hold = held(make(lambda: None, max_attempts=9))
    ran = asyncio.run(run(hold, replace(around, observer=observe)))
    assert isinstance(ran.outcome, did.Failed)
    assert ran.policy.max_attempts == 9
    assert "a defect of twolane's own" in caplog.text
    assert decode(hold.delivery.body).task == "work"
