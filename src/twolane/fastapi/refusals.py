"""What a dependency of a task cannot have, in sentences: the parameter, the dependency, the reason, the way out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ForwardRef, NoReturn

from fastapi import params
from fastapi.security.base import SecurityBase
from fastapi.security.oauth2 import SecurityScopes
from starlette.background import BackgroundTasks
from starlette.requests import HTTPConnection
from starlette.responses import Response

from twolane.engine.filling import Marked
from twolane.values.errors import DefinitionError

_PASS = "Pass what it takes from there as an argument of the task, where it is sent"  # noqa: S105  (a sentence)
_SPLIT = "give the task a dependency without that parameter"


def refuse_parameter(task: str, path: Sequence[str], found: Marked) -> NoReturn:
    """Refuse a parameter of a dependency that neither a dependency nor the attempt fills.

    Raises:
        DefinitionError: always.
    """
    kind = found.type if inspect.isclass(found.type) else type(None)
    if issubclass(kind, HTTPConnection):
        why = "takes the request, and a task has none: it runs after the answer, perhaps on another machine"
        out = f"{_PASS}, or {_SPLIT}; what the lifespan yielded is in `state` of a parameter of type TaskContext"
    elif issubclass(kind, Response):
        why, out = "changes the answer, which has gone when a task runs", f"For tasks, {_SPLIT}"
    elif issubclass(kind, BackgroundTasks):
        why = "runs after an answer, and a task has none"
        out = "Take `lanes: Lanes` instead, and add the tasks to it"
    elif issubclass(kind, SecurityScopes):
        why, out = _AUTHORITY
    else:
        where = _source(found)
        why, out = f"is read by FastAPI from {where}, and a task has no request", f"{_PASS}, or {_SPLIT}"
    _refuse(task, path, f"`{found.written}`, which {why}", out)


def refuse_security(
    task: str, path: Sequence[str], name: str, depends: params.Depends, call: Callable[..., Any]
) -> None:
    """Refuse a dependency that asks who sends the request.

    Raises:
        DefinitionError: it is `Security(...)`, or one of FastAPI's security schemes.
    """
    if isinstance(depends, params.Security) or isinstance(call, SecurityBase):
        why, out = _AUTHORITY
        _refuse(task, path[:-1], f"`{name}`, filled by {path[-1]}, which {why}", out)


def refuse_unknown(task: str, path: Sequence[str], found: Marked, call: Any) -> None:
    """Refuse `Depends(...)` of something that cannot be called.

    Raises:
        DefinitionError: it names nothing, a type that only type checkers know, or an object of another kind.
    """
    if call in (inspect.Parameter.empty, Any):
        why, out = "is to be filled, and nothing says by what", "Write Depends(function)"
    elif isinstance(call, (str, ForwardRef)) and call is found.type:
        why = "has a type that is not known where the task is defined"
        out = "Import it there, not under TYPE_CHECKING, or write Depends(function)"
    elif not callable(call):
        why = f"is to be filled by {call!r:.60}, which cannot be called"
        out = "Give Depends a function or a class, without calling it"
    else:
        return
    _refuse(task, path, f"`{found.written}`, which {why}", out)


_AUTHORITY = (
    "reads the caller's credentials from a request, and a task has neither",
    "Check them in the endpoint that sends the task, and pass what was found, such as the user's id",
)


def _refuse(task: str, path: Sequence[str], what: str, out: str) -> NoReturn:
    whose = f"its dependency {' -> '.join(path)} has" if path else "it has"
    raise DefinitionError(f"task {task}: {whose} a parameter {what}. {out}.")


_SOURCES: dict[type, str] = {
    params.Form: "a form",  # a Body too, and so is File
    params.Body: "the body",
    params.Header: "a header",
    params.Cookie: "a cookie",
    params.Path: "the path",
    params.Query: "the query",
}


def _source(found: Marked) -> str:
    """Where FastAPI would take a parameter from."""
    told = (
        source
        for mark in reversed(found.marks)
        for kind, source in _SOURCES.items()
        if isinstance(mark, kind)
    )
    return next(told, "the query or the body")
