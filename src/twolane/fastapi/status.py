"""`tasks.status_router(...)`: what a customer may see of a task, as JSON and as server-sent events.

An id is no permission: the app says who may see a record. What leaves here is the form below and nothing else.
"""

from __future__ import annotations

import inspect
import json
import logging
import math
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from twolane.fastapi.accept import prefers_events
from twolane.fastapi.events import EventStream, event_id
from twolane.fastapi.exchange import exchange_of
from twolane.fastapi.status_url import EVENTS_NAME, STATUS_NAME
from twolane.values.errors import DefinitionError, QueueError, UsageError
from twolane.values.public_record import Record, published
from twolane.values.record import ENDED, State
from twolane.values.record import Record as Kept
from twolane.wiring.installed import Installed

log = logging.getLogger("twolane.status")

Authorize = Callable[[Request, Record], bool | Awaitable[bool]]
"""Whether who asks may see this record."""

NO_STORE = {"Cache-Control": "no-store"}
NOT_FOUND = "there is nothing under this id, or it has ended a while ago and is forgotten"
UNREADABLE = "the status cannot be read at the moment; try again in a few seconds"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class TaskStatus(BaseModel):
    """What a customer may see of a task. Times are ISO 8601, UTC."""

    id: str
    state: State
    attempt: int = Field(
        description="the attempt that runs or comes next, from 1; of the last one if it has ended"
    )
    done: float | None = Field(description="progress, in the task's own unit")
    total: float | None = Field(description="the whole of it in the same unit")
    sent_at: datetime
    started_at: datetime | None
    progressed_at: datetime | None
    finished_at: datetime | None
    message: str | None = Field(description="a sentence about its end, where there is one to say")
    result: Any = Field(description="what it returned, where the task shows that")


def status_router(tasks: Installed, authorize: Authorize) -> APIRouter:
    """The routes; see `Tasks.status_router`.

    Raises:
        DefinitionError: `authorize` is nothing that could be asked.
    """
    _check_authorize(authorize)
    door = _Door(tasks, authorize)
    router = APIRouter()
    router.add_api_route(
        "/{id}",
        door.status,
        name=STATUS_NAME,
        methods=["GET"],
        response_model=TaskStatus,
        summary="The status of a task",
        description="With `Accept: text/event-stream` the same as server-sent events.",
        responses={200: _EVENTS, **_REFUSALS},
    )
    router.add_api_route(
        "/{id}/events",
        door.events,
        name=EVENTS_NAME,
        methods=["GET"],
        response_model=None,
        response_class=EventStream,
        status_code=200,
        summary="The status of a task, whenever it changes",
        responses={200: _EVENTS, 204: {"description": _SEEN}, **_REFUSALS},
    )
    return router


class _Door:
    """The endpoints."""

    def __init__(self, tasks: Installed, authorize: Authorize) -> None:
        self._tasks = tasks
        self._authorize = authorize

    async def status(self, request: Request, id: _Id) -> Response:  # noqa: A002  (the word of the path)
        """The status now, or as events where the request prefers them."""
        if prefers_events(request.headers.getlist("accept")):
            return await self.events(request, id)
        record = await self._allowed(request, id)
        return Response(
            self._form(record), media_type="application/json", headers={**NO_STORE, "Vary": "Accept"}
        )

    async def events(self, request: Request, id: _Id) -> Response:  # noqa: A002
        """The status now and whenever it changes, until it has ended or the stream is closed."""
        record = await self._allowed(request, id)
        form = self._form(record)
        if record.state in ENDED and request.headers.get("last-event-id") == event_id(form):
            return Response(status_code=204, headers=NO_STORE)  # an EventSource comes back no more
        return EventStream(record, self._form, self._tasks.runtime)

    async def _allowed(self, request: Request, message_id: str) -> Kept:
        """The record, if who asks may see it.

        Raises:
            HTTPException: 404, the same for an id of nobody's and of somebody else's; 503.
        """
        if exchange_of(request.scope).tasks.runtime is not self._tasks.runtime:
            raise UsageError("this app has another Tasks installed than the one of its status router")
        if not _UUID.fullmatch(message_id):
            _refuse(404, NOT_FOUND)
        try:
            record = await run_in_threadpool(self._tasks.runtime.read, message_id.lower())
        except QueueError:
            log.exception("the status of %s cannot be read", message_id)
            _refuse(503, UNREADABLE)
        if record is None or not await _says_yes(self._authorize, request, published(record)):
            _refuse(404, NOT_FOUND)
        return record

    def _form(self, kept: Kept) -> bytes:
        """What may leave, as JSON: ASCII, so that a lone surrogate of a result does no harm."""
        record, task = published(kept), self._tasks.registry.get(kept.task)
        status = TaskStatus(
            id=record.id,
            state=record.state,
            attempt=record.attempt,
            done=_finite(record.done),
            total=_finite(record.total),
            sent_at=record.sent_at,
            started_at=record.started_at,
            progressed_at=record.progressed_at,
            finished_at=record.finished_at,
            message=record.public,
            result=record.result if task is not None and task.public_result else None,
        )
        return json.dumps(status.model_dump(mode="json"), separators=(",", ":")).encode()


def _finite(number: float | None) -> float | None:
    """A number that JSON has."""
    return number if number is not None and math.isfinite(number) else None


_Id = Annotated[str, Path(description="the id of a ticket", json_schema_extra={"format": "uuid"})]
_SEEN = "it has ended, and the last event was seen (Last-Event-ID): an EventSource comes back no more"
_EVENTS: dict[str, Any] = {
    "description": "The status; as events named `status` with the same JSON, at once and at each change.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
_DETAIL = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}
_WHY: dict[int | str, str] = {
    404: "no such id, or not for who asks",
    503: "the status cannot be read at the moment",
    "4XX": "what the app answers to who may not ask",
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": why, "content": {"application/json": {"schema": _DETAIL}}}
    for status, why in _WHY.items()
}


async def _says_yes(authorize: Authorize, request: Request, record: Record) -> bool:
    """Ask; a plain function in a thread.

    Raises:
        UsageError: it answers neither True nor False, so perhaps it forgot to.
    """
    if _is_async(authorize):
        answer: object = authorize(request, record)
    else:
        answer = await run_in_threadpool(authorize, request, record)
    if inspect.isawaitable(answer):
        answer = await answer
    if not isinstance(answer, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  (not every app is checked)
        raise UsageError(f"authorize of a status router answers True or False, not {type(answer).__name__}")
    return answer


def _is_async(function: object) -> bool:
    """Whether calling it runs nothing yet: an async function, or an object with an async `__call__`."""
    return any(inspect.iscoroutinefunction(each) for each in (function, getattr(function, "__call__", None)))  # noqa: B004  (it is not asked whether)


def _check_authorize(authorize: object) -> None:
    why = (
        "tasks.status_router(authorize=...) takes a function of (request, record) that answers True or False"
    )
    if not callable(authorize):
        raise DefinitionError(f"{why}, not {authorize!r}: an id alone is no permission")
    try:
        inspect.signature(authorize).bind(None, None)
    except TypeError as error:
        raise DefinitionError(f"{why}: {error}") from None
    except ValueError:
        return  # a builtin without a signature


def _refuse(status: int, detail: str) -> NoReturn:
    raise HTTPException(status, detail, headers=NO_STORE)
