"""Parameters of a task that the worker fills: no part of its message, made anew for each attempt.

Here: how a door finds them in a signature, and what the engine asks of whoever fills them. What fills
them is a door's (fastapi/dependencies.py): the engine knows no framework.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, get_args, get_origin

from twolane.engine.context import TaskContext
from twolane.values.errors import DefinitionError

if TYPE_CHECKING:
    from twolane.engine.outbox import Outbox  # it sends tasks, which have fillings


class _Given:
    """What stands in a direct call for a parameter that was left to the worker."""

    def __repr__(self) -> str:
        return "given"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"`{name}` of a parameter that only the worker fills (`= given`): a direct call of a task passes it itself"
        )


given: Any = _Given()
"""The default value of a parameter that the worker fills: `db: Annotated[Session, Depends(get_db)] = given`."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What whoever fills parameters may use of the attempt they are for.

    Attributes:
        context: the attempt's.
        outbox: where it adds tasks.
        in_thread: calls a blocking function in a thread, never one that serves endpoints or runs sync tasks.
            A cancellation is passed on when the function has ended.
    """

    context: TaskContext
    outbox: Outbox
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]


class Filling(Protocol):
    """The parameters of one task that the worker fills.

    Attributes:
        names: which.
    """

    names: frozenset[str]

    async def fill(self, attempt: Attempt, stack: AsyncExitStack) -> dict[str, Any]:
        """Their values for one attempt, by name.

        Args:
            attempt: which.
            stack: what has an end is entered here; it is closed before the delivery is settled.
        """
        ...


class Marked(NamedTuple):
    """A parameter, its type, and what was written beside the type: in `Annotated`, and as its default value."""

    parameter: inspect.Parameter
    type: Any
    marks: tuple[Any, ...]

    @property
    def written(self) -> str:
        """As in the signature, for errors: `page: int`."""
        if self.type is inspect.Parameter.empty:
            return self.parameter.name
        return f"{self.parameter.name}: {self.type.__name__ if inspect.isclass(self.type) else self.type}"


def parameters_of(call: Callable[..., Any]) -> Iterator[Marked]:
    """The parameters of a function, class or object that is called.

    A type that cannot be resolved (a name that only type checkers know) stays as it was written.
    """
    for parameter in inspect.signature(call).parameters.values():
        annotation = _resolved(parameter.annotation, call)
        annotation = getattr(annotation, "__value__", annotation)  # `type X = ...`
        marks: tuple[Any, ...] = ()
        if get_origin(annotation) is Annotated:
            annotation, *written = get_args(annotation)
            marks = tuple(written)
        yield Marked(parameter, annotation, (*marks, parameter.default))


def filled_names(fn: Callable[..., Any], task: str, mark: type | None) -> list[str]:
    """The parameters of a task that the worker fills.

    Args:
        fn: the task's function.
        task: its name, for errors.
        mark: the class of the marks; None: nothing that has one is loaded.

    Raises:
        DefinitionError: one says `= given`, and not by what; or is positional only.
    """
    names: list[str] = []
    for each in parameters_of(fn):
        parameter, name = each.parameter, each.parameter.name
        if mark is not None and any(isinstance(found, mark) for found in each.marks):
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise DefinitionError(
                    f"task {task}: `{name}` is filled by name, so it stands behind the `/`, not before it"
                )
            names.append(name)
        elif parameter.default is given:
            raise DefinitionError(
                f"task {task}: `{each.written}` is to be given, and its type does not say by what. Write "
                f"Annotated[..., Depends(...)] or Lanes, and import what it names where the task is defined, not "
                f"under TYPE_CHECKING."
            )
    return names


def _resolved(annotation: Any, fn: Callable[..., Any]) -> Any:
    """An annotation as an object; one whose names are not known here stays text."""
    if isinstance(annotation, str):
        try:
            return eval(annotation, _globals(inspect.unwrap(fn)))  # noqa: S307  (as typing.get_type_hints does, for one alone)
        except Exception:  # noqa: BLE001  (a name that only type checkers know, a type of a newer Python)
            return annotation
    return annotation


def _globals(call: Any) -> dict[str, Any]:
    """The names that the annotations of a call may use."""
    while hasattr(call, "func"):  # a partial
        call = call.func
    if inspect.isclass(call):
        call = call.__init__
    call = getattr(call, "__func__", call)
    names: dict[str, Any] | None = getattr(call, "__globals__", None)
    return getattr(type(call).__call__, "__globals__", {}) if names is None else names
