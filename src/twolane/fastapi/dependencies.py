"""FastAPI's dependencies in tasks: found and checked at the definition, solved anew for each attempt.

Solved here and not by FastAPI's own solver, which wants a request. The marks are FastAPI's (`Depends`), and so
are the rules: sync dependencies run in a thread, each is called once an attempt unless `use_cache=False`, the
last one entered is closed first, `dependency_overrides` hold. Both scopes end with the attempt. What only a
request has is refused where the task is defined (fastapi/refusals.py).
"""

from __future__ import annotations

import asyncio
import inspect
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from types import TracebackType
from typing import Any

from fastapi import params

from twolane.engine.context import TaskContext
from twolane.engine.filling import Attempt, Marked, parameters_of
from twolane.fastapi.lanes import OfAttempt, RequestLanes, request_lanes
from twolane.fastapi.refusals import refuse_parameter, refuse_security, refuse_unknown
from twolane.wiring.installed import Installed


class Kind(Enum):
    """How a dependency is called, as FastAPI tells them apart."""

    SYNC = auto()
    COROUTINE = auto()
    GENERATOR = auto()
    ASYNC_GENERATOR = auto()


@dataclass(frozen=True, slots=True)
class Need:
    """A parameter and the dependency that fills it.

    Attributes:
        name: the parameter's.
        call: the dependency.
        marks: how it was asked for: cached or not, its scope, how many at a time.
        path: the names of the dependencies on the way to it, itself included, for errors.
        kind: how it is called.
        needs: what it needs in turn.
        contexts: its parameters that take the attempt's context.
    """

    name: str
    call: Callable[..., Any]
    marks: params.Depends
    path: tuple[str, ...]
    kind: Kind
    needs: tuple[Need, ...] = ()
    contexts: tuple[str, ...] = ()


class Dependencies:
    """The dependencies of one task; fills its parameters (engine/filling.py).

    Args:
        fn: the task's function.
        task: its name, for errors.
        tasks: whose task it is: its lanes, and the overrides of its apps.

    Raises:
        DefinitionError: one needs what only a request has.
    """

    def __init__(self, fn: Callable[..., Any], task: str, tasks: Installed) -> None:
        self._tasks = tasks
        self._task = task
        asked = [(each, depends) for each in parameters_of(fn) if (depends := _depends(each)) is not None]
        self._needs = tuple([_need(task, each, depends, ()) for each, depends in asked])
        self.names = frozenset(need.name for need in self._needs)

    async def fill(self, attempt: Attempt, stack: AsyncExitStack) -> dict[str, Any]:
        """The values of the task's parameters, for one attempt."""
        overrides = ChainMap(*[getattr(app, "dependency_overrides", {}) for app in self._tasks.apps])
        solving = _Solving(
            self._task, attempt, stack, overrides, RequestLanes(OfAttempt(self._tasks, attempt.outbox))
        )
        return {need.name: await solving.solve(need) for need in self._needs}


def _depends(parameter: Marked) -> params.Depends | None:
    return next((each for each in reversed(parameter.marks) if isinstance(each, params.Depends)), None)


def _need(task: str, parameter: Marked, depends: params.Depends, path: tuple[str, ...]) -> Need:
    call = depends.dependency or parameter.type  # `Annotated[Repository, Depends()]`
    refuse_unknown(task, path, parameter, call)
    need = Need(parameter.parameter.name, call, depends, (*path, _name(call)), _kind(call))
    refuse_security(task, need.path, need.name, depends, call)
    return need if call is request_lanes else _with_its_own(task, need)


def _with_its_own(task: str, need: Need) -> Need:
    """With what a dependency needs itself."""
    needs: list[Need] = []
    contexts: list[str] = []
    for each in parameters_of(need.call):
        kind, depends = each.parameter.kind, _depends(each)
        if depends is not None:
            needs.append(_need(task, each, depends, need.path))
        elif each.type is TaskContext:
            contexts.append(each.parameter.name)
        elif kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            refuse_parameter(task, need.path, each)
    return replace(need, needs=tuple(needs), contexts=tuple(contexts))


class _Solving:
    """Solves the dependencies of one attempt."""

    def __init__(
        self,
        task: str,
        attempt: Attempt,
        stack: AsyncExitStack,
        overrides: Mapping[Any, Callable[..., Any]],
        lanes: RequestLanes,
    ) -> None:
        self._task = task
        self._attempt = attempt
        self._stack = stack
        self._overrides = overrides
        self._lanes = lanes
        self._solved: dict[Any, Any] = {}

    async def solve(self, need: Need) -> Any:
        """The value of a dependency."""
        key = (need.call, need.marks.scope == "function")
        if need.marks.use_cache and key in self._solved:
            return self._solved[key]
        need = self._overridden(need)
        if need.call is request_lanes:
            return self._lanes
        values = {each.name: await self.solve(each) for each in need.needs}
        values |= dict.fromkeys(need.contexts, self._attempt.context)
        value = await self._call(need, values)
        self._solved.setdefault(key, value)
        return value

    def _overridden(self, need: Need) -> Need:
        if not self._overrides or (call := self._overrides.get(need.call, need.call)) is need.call:
            return need
        path = (*need.path[:-1], f"{_name(call)} (which overrides {need.path[-1]})")
        return _with_its_own(self._task, replace(need, call=call, path=path, kind=_kind(call)))

    async def _call(self, need: Need, values: dict[str, Any]) -> Any:
        limit = getattr(
            need.marks, "_concurrency", None
        )  # `max_concurrency` of newer FastAPI, shared with endpoints
        if need.kind in (Kind.GENERATOR, Kind.ASYNC_GENERATOR):
            if limit is not None:
                await self._stack.enter_async_context(limit.get_semaphore())
            if need.kind is Kind.ASYNC_GENERATOR:
                return await self._stack.enter_async_context(asynccontextmanager(need.call)(**values))
            manager = contextmanager(need.call)(**values)
            return await self._stack.enter_async_context(_InThreads(manager, self._attempt))
        async with AsyncExitStack() as one_call:
            if limit is not None:
                await one_call.enter_async_context(limit.get_semaphore())
            if need.kind is Kind.COROUTINE:
                return await need.call(**values)
            return await self._attempt.in_thread(partial(need.call, **values))


class _InThreads:
    """A sync context manager, entered and closed in threads; in one context, so that tokens can be reset."""

    def __init__(self, manager: AbstractContextManager[Any], attempt: Attempt) -> None:
        self._manager = manager
        self._in_thread = attempt.in_thread
        self._context = copy_context()
        self._entered = False

    async def __aenter__(self) -> Any:
        try:
            return await self._in_thread(partial(self._context.run, self._enter))
        except asyncio.CancelledError as error:
            if self._entered:  # in its thread, while nobody waited for it any more
                await self.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        return await self._in_thread(lambda: self._context.run(self._manager.__exit__, kind, error, trace))

    def _enter(self) -> Any:
        value = self._manager.__enter__()
        self._entered = True
        return value


def _kind(call: Callable[..., Any]) -> Kind:
    checks = {
        inspect.isgeneratorfunction: Kind.GENERATOR,
        inspect.isasyncgenfunction: Kind.ASYNC_GENERATOR,
        inspect.iscoroutinefunction: Kind.COROUTINE,
    }
    found = (kind for check, kind in checks.items() if any(check(each) for each in _bodies(call)))
    return next(found, Kind.SYNC)


def _bodies(call: Any) -> Iterator[Any]:
    """What may be the function behind a callable: of a partial, a decorated function, an object with `__call__`."""
    while isinstance(call, partial):
        call = call.func
    yield call
    yield inspect.unwrap(call)
    if not inspect.isclass(call):
        method = getattr(call, "__call__")  # noqa: B004, B009
        yield method
        yield inspect.unwrap(method)


def _name(call: Any) -> str:
    while isinstance(call, partial):
        call = call.func
    return getattr(call, "__name__", type(call).__name__)
