"""`Lanes`: what an endpoint or a dependency adds tasks with; all of one request share one batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ParamSpec

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

from twolane.engine.task import Sendable
from twolane.fastapi.exchange import Exchange, exchange_of
from twolane.values.blob import Blob
from twolane.values.errors import BlobTooLarge
from twolane.values.ticket import Lane, Ticket

P = ParamSpec("P")


class RequestLanes:
    """The two lanes of one request.

    Args:
        exchange: the request and its answer.
        scope: the request's ASGI scope, by which a status route is found; None: no ticket says one.
    """

    __slots__ = ("_exchange", "_scope")

    def __init__(self, exchange: Exchange, scope: Scope | None = None) -> None:
        self._exchange = exchange
        self._scope = scope

    def add_task(self, task: Sendable[P], /, *args: P.args, **kwargs: P.kwargs) -> Ticket:
        """Add a task that goes with the answer: below 400 it goes, at 400 and above it is rolled back.

        Works alike in `def` and `async def` endpoints and their dependencies, and never waits. A task of
        the queue lane is durable before the answer leaves; one of the background lane runs after it.

        Args:
            task: a task, or `task.options(...)`.
            *args: the task's arguments, without the context.
            **kwargs: the same by name.

        Raises:
            ArgumentsRefused: the arguments do not fit, or JSON cannot carry them.
            UsageError: an undecorated function; a WebSocket; the response has started already.
        """
        tasks = self._exchange.tasks
        ticket = self._exchange.add(tasks.checked(task), args, kwargs)
        if tasks.status_urls is None or self._scope is None or ticket.lane is Lane.BACKGROUND:
            return ticket
        return replace(ticket, status_url=tasks.status_urls.of(self._scope, ticket.id))

    def store(self, source: Any) -> Blob:
        """A blob for a task's argument; its bytes are streamed when the batch is stored, not before.

        Args:
            source: an UploadFile, bytes, a path or a binary file, still open when the response starts.

        Raises:
            HTTPException: 413, the size is known to be over the upload limit.
            TypeError: none of these.
        """
        try:
            return self._exchange.tasks.runtime.upload(source)
        except BlobTooLarge as error:
            raise HTTPException(413, str(error)) from None


async def request_lanes(connection: HTTPConnection) -> RequestLanes:
    """The lanes of the present request, for `Depends`.

    Raises:
        UsageError: the app has no tasks installed.
    """
    return RequestLanes(exchange_of(connection.scope), connection.scope)


Lanes = Annotated[RequestLanes, Depends(request_lanes)]
