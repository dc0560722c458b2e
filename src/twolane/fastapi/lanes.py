"""`Lanes`: what an endpoint, a task or a dependency adds tasks with; all of one request, or attempt, go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ParamSpec, Protocol

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.types import Scope

from twolane.engine.outbox import Outbox
from twolane.engine.task import Sendable
from twolane.fastapi.exchange import exchange_of
from twolane.values.blob import Blob
from twolane.values.ticket import Lane, Ticket
from twolane.wiring.installed import Installed

P = ParamSpec("P")


class Adding(Protocol):
    """What takes tasks and lets them go together: the exchange of a request, an attempt of a task."""

    @property
    def tasks(self) -> Installed:
        """Whose tasks it takes."""
        ...

    def add(self, sendable: Sendable[...], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Ticket:
        """Take a task."""
        ...

    def upload(self, source: Any) -> Blob:
        """A blob to be."""
        ...


class RequestLanes:
    """The two lanes of one request, or of one attempt of a task.

    Args:
        adding: where tasks go.
        scope: the request's ASGI scope, by which a status route is found; None: no ticket says one.
    """

    __slots__ = ("_adding", "_scope")

    def __init__(self, adding: Adding, scope: Scope | None = None) -> None:
        self._adding = adding
        self._scope = scope

    def add_task(self, task: Sendable[P], /, *args: P.args, **kwargs: P.kwargs) -> Ticket:
        """Add a task that goes with the answer: below 400 it goes, at 400 and above it is rolled back.

        Works alike in `def` and `async def` endpoints and their dependencies, and never waits. A task of
        the queue lane is durable before the answer leaves; one of the background lane runs after it.

        In a task it goes with the end of its attempt: if that succeeds, messages are stored in the transaction
        that says so, and background tasks start behind it; if not, all are dropped with a log line each.

        Args:
            task: a task, or `task.options(...)`.
            *args: the task's arguments, without the context.
            **kwargs: the same by name.

        Raises:
            ArgumentsRefused: the arguments do not fit, or JSON cannot carry them.
            UsageError: an undecorated function; a WebSocket; the response has started already, or the
                attempt of the task has ended.
        """
        tasks = self._adding.tasks
        ticket = self._adding.add(tasks.checked(task), args, kwargs)
        if tasks.status_urls is None or self._scope is None or ticket.lane is Lane.BACKGROUND:
            return ticket
        return replace(ticket, status_url=tasks.status_urls.of(self._scope, ticket.id))

    def store(self, source: Any) -> Blob:
        """A blob for a task's argument; its bytes are streamed when the batch is stored, not before.

        Args:
            source: an UploadFile, bytes, a path or a binary file, still open when the response starts; in a
                task, when its function has returned.

        Raises:
            HTTPException: 413, the size is known to be over the upload limit.
            BlobTooLarge: the same, in a task.
            TypeError: none of these.
        """
        return self._adding.upload(source)


@dataclass(frozen=True, slots=True)
class OfAttempt:
    """Where tasks go that an attempt of a task adds.

    Attributes:
        tasks: whose tasks it takes.
        outbox: the attempt's.
    """

    tasks: Installed
    outbox: Outbox

    def add(self, sendable: Sendable[...], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Ticket:
        """Take a task."""
        return self.outbox.add(sendable, args, kwargs)

    def upload(self, source: Any) -> Blob:
        """A blob to be."""
        return self.tasks.runtime.upload(source)


async def request_lanes(connection: HTTPConnection) -> RequestLanes:
    """The lanes of the present request, for `Depends`.

    Raises:
        UsageError: the app has no tasks installed.
    """
    return RequestLanes(exchange_of(connection.scope), connection.scope)


Lanes = Annotated[RequestLanes, Depends(request_lanes)]
