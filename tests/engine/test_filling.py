"""Parameters that the worker fills, seen by the engine: names in a signature, and somebody who fills them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import pytest

from twolane import DefinitionError, TaskContext, Tasks
from twolane.engine.arguments import Arguments
from twolane.engine.calling import Means
from twolane.engine.filling import Attempt, filled_names, given, parameters_of
from twolane.engine.hold import Hold
from twolane.engine.outbox import Outbox
from twolane.engine.run import Ran, Surroundings, run
from twolane.engine.sender import Sender
from twolane.engine.task import Task
from twolane.engine.threads import Threads
from twolane.values import outcome as did
from twolane.values.ticket import Lane


@dataclass
class Mark:
    """What a door writes beside a type."""

    value: Any


class Marks:
    """Fills each marked parameter with what its mark says, in a thread."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._values = {
            each.parameter.name: mark.value
            for each in parameters_of(fn)
            for mark in each.marks
            if isinstance(mark, Mark)
        }
        self.names = frozenset(self._values)
        self.closed = False

    async def fill(self, attempt: Attempt, stack: AsyncExitStack) -> dict[str, Any]:
        stack.callback(setattr, self, "closed", True)
        return {
            name: await attempt.in_thread(partial(str, f"{value} for {attempt.context.task}"))
            for name, value in self._values.items()
        }


Text = Annotated[str, Mark("annotated")]


def task_of(a: int, b: Text, c: str = Mark("default"), *, d: int = 4) -> list[Any]:  # type: ignore[assignment]
    return [a, b, c, d]


def test_the_parameters_of_a_function_with_their_marks() -> None:
    found = {each.parameter.name: (each.type, each.marks[:-1]) for each in parameters_of(task_of)}
    assert found == {"a": (int, ()), "b": (str, (Mark("annotated"),)), "c": (str, ()), "d": (int, ())}


def test_of_classes_methods_and_partials() -> None:
    class Made:
        def __init__(self, made: Text) -> None: ...

        def method(self, asked: Text) -> None: ...

        def __call__(self, called: Text) -> None: ...

    calls = (Made, Made("").method, Made(""), partial(task_of, 1))
    names = [[each.parameter.name for each in parameters_of(call) if each.type is str] for call in calls]
    assert names == [["made"], ["asked"], ["called"], ["b", "c"]]


def test_the_names_that_are_filled() -> None:
    assert filled_names(task_of, "t", Mark) == ["b", "c"]
    assert filled_names(task_of, "t", None) == []


def test_given_without_a_mark_is_refused() -> None:
    def task(a: str = given) -> None: ...

    with pytest.raises(DefinitionError, match="`a: str` is to be given"):
        filled_names(task, "t", None)


def test_what_is_sent_is_the_rest() -> None:
    arguments = Arguments(task_of, "t", skip_first=False, filled=frozenset({"b", "c"}))
    assert arguments.names == ("a", "d")
    assert arguments.bind([1], {"d": 2}) == {"a": 1, "d": 2}
    assert arguments.load({"a": 1}, {}) == ([1], {"d": 4})


def test_given_looks_like_what_it_is() -> None:
    assert repr(given) == "given"
    with pytest.raises(AttributeError, match="a direct call of a task passes it itself"):
        _ = given.cursor


@pytest.mark.parametrize("is_async", [True, False])
def test_they_are_filled_for_each_call(
    tasks: Tasks, around: Surroundings, sender: Sender, held: Callable[..., Hold], is_async: bool
) -> None:
    async def task_of_async(a: int, b: Text, c: str = Mark("default"), *, d: int = 4) -> list[Any]:  # type: ignore[assignment]
        return task_of(a, b, c, d=d)

    fn = task_of_async if is_async else task_of
    marks, side = Marks(fn), Threads(1, name="side")
    task: Task[Any, Any, Any] = Task(fn, name="work", lane=Lane.QUEUE, filling=marks)
    tasks.registry.add(task)

    def open_outbox(parent: str, by: str) -> Outbox:
        return Outbox(parent, by, sender=sender, background=tasks.runtime.background, new_id=str)

    with_means = replace(around, means=Means(side, open_outbox))
    ran: Ran = asyncio.run(run(held(task, 1, d=2), with_means))
    assert ran.outcome == did.Succeeded([1, "annotated for work", "default for work", 2])
    assert ran.outbox is not None
    assert marks.closed
    side.close()


def test_where_nothing_fills_them_the_attempt_fails(
    tasks: Tasks, held: Callable[..., Hold], do: Callable[[Hold], Ran], caplog: pytest.LogCaptureFixture
) -> None:
    task: Task[Any, Any, Any] = Task(task_of, name="work", lane=Lane.QUEUE, filling=Marks(task_of))
    tasks.registry.add(task)
    outcome = do(held(task, 1)).outcome
    assert isinstance(outcome, did.Failed)
    assert outcome.failure.message == "nothing here fills the parameters of work"


def test_a_context_has_a_state_of_its_own(
    tasks: Tasks, held: Callable[..., Hold], around: Surroundings
) -> None:
    @tasks.task(if_lost="alert")
    def work(ctx: TaskContext) -> list[Any]:
        ctx.state["seen"] = ctx.attempt
        return [*ctx.state]

    ran = asyncio.run(run(held(work), replace(around, new_state=lambda: {"pool": 1})))
    assert ran.outcome == did.Succeeded(["pool", "seen"])
