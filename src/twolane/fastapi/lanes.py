"""`Lanes`: what an endpoint, a task or a dependency adds tasks with; all of one request, or attempt, go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ParamSpec, Protocol

from fastapi import Depends, HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

from twolane.engine.outbox import Outbox
from twolane.engine.task import Sendable
from twolane.fastapi.exchange import exchange_of
from twolane.fastapi.status_url import path_of
from twolane.fastapi.upload_router import UPLOAD_NAME
from twolane.values.blob import Blob
from twolane.values.errors import UploadRefused, UsageError
from twolane.values.ticket import Lane, Ticket
from twolane.values.upload_form import UploadForm
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

    def upload_form(
        self,
        *,
        name: str = "",
        content_type: str = "application/octet-stream",
        max_bytes: int | None = None,
        sha256: str | None = None,
        owner: str = "",
        expires_s: float = 900.0,
    ) -> UploadForm:
        """A form with which a client sends one file past this app, straight to where blobs lie.

        On S3 it is a presigned POST to the bucket; while blobs are files, one to `tasks.upload_router()`. The client posts
        `fields` and, as the last one, `file` to `url` as multipart/form-data, and then confirms with `token`: see
        `uploaded`. A file that is never confirmed goes after a day.

        Args:
            name: the file's name, for people.
            content_type: its media type; S3 keeps it, and takes no other.
            max_bytes: how large it may be, in bytes; None: the upload limit.
            sha256: its checksum in hexadecimal, if the client knows it: S3 refuses other bytes then, and nobody has
                to read them to confirm.
            owner: who alone may confirm it, such as a customer's id.
            expires_s: within so many seconds the upload must begin; up to 12 hours. It may be confirmed for an hour longer.

        Raises:
            UsageError: not in a request, or a value that cannot be.
            SettingsError: beside S3, TWOLANE_SECRET is not set.
            BlobError: the form cannot be signed.
        """
        tasks, scope = self._adding.tasks, self._scope
        if scope is None:
            raise UsageError("an upload form is for a client, and a task has none: make it in an endpoint")
        return tasks.runtime.upload_forms.form(
            name=name,
            content_type=content_type,
            max_bytes=max_bytes,
            sha256=sha256,
            owner=owner,
            expires_s=expires_s,
            here=lambda token: _upload_path(scope, token),
        )

    def uploaded(self, token: str, *, owner: str = "") -> Blob:
        """A blob for a task's argument that a client has uploaded with a form of `upload_form`.

        Whether the file is there, and what was promised, is seen when the batch is stored: if not, the answer is 409
        and nothing is started. A second confirmation gives the same blob; each starts a task of its own.

        Args:
            token: the form's.
            owner: the form's owner.

        Raises:
            HTTPException: 403, no token of ours, somebody else's, or too old.
            UploadRefused: the same, in a task.
        """
        try:
            return self._adding.tasks.runtime.upload_forms.uploaded(token, owner=owner)
        except UploadRefused as error:
            if self._scope is None:
                raise
            raise HTTPException(403, str(error)) from None


def _upload_path(scope: Scope, token: str) -> str:
    """The path of the upload route, as this request would reach it.

    Raises:
        UsageError: there is none.
    """
    found = path_of(scope, UPLOAD_NAME, token=token)
    if found is None:
        raise UsageError(
            "an upload form needs somewhere to send the file to, and blobs are files of this machine: "
            'app.include_router(tasks.upload_router(), prefix="/uploads") takes them. With TWOLANE_BLOBS=s3://... they '
            "go to the bucket, and the route is not used"
        )
    return found


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
