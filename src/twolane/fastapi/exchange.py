"""An exchange: one request and its answer, and between them the batch of tasks that the request adds.

The batch goes when the answer starts with a status below 400, and is rolled back otherwise: the answer
says what happened. Queue tasks are stored before the answer leaves, background tasks run after it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NoReturn

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Message, Scope, Send

from twolane.engine.background import Background, Call
from twolane.engine.sender import Prepared
from twolane.engine.task import Sendable
from twolane.values.blob import Blob
from twolane.values.errors import (
    ArgumentsRefused,
    BlobSpent,
    BlobTooLarge,
    SendUnknown,
    TwolaneError,
    UploadRefused,
    UsageError,
)
from twolane.values.ticket import Lane, Ticket
from twolane.wiring.installed import Installed

log = logging.getLogger("twolane.lanes")

SCOPE_KEY = "twolane"
AFTER_THE_START = "after the response has started"
IN_A_WEBSOCKET = "in a WebSocket"


class Refused(Exception):
    """Raised out of `send` once the answer was replaced, so that streams stop and sessions roll back."""


class _After(BackgroundTask):
    """Starlette's own, of the calls of one request; without its look at whether they are async, which takes as long again."""

    func: Any
    args: Any
    kwargs: Any

    def __init__(self, background: Background, calls: Sequence[Call]) -> None:
        self.func = background.run_all
        self.args = (calls,)
        self.kwargs = {}
        self.is_async = True


class Batch:
    """The tasks of one request.

    Attributes:
        sends: messages to be stored when the answer starts.
        calls: background tasks to run after it.
    """

    __slots__ = ("calls", "sends")

    def __init__(self) -> None:
        self.sends: list[Prepared] = []
        self.calls: list[Call] = []

    def items(self) -> Iterable[Call | Prepared]:
        """All of them."""
        return (*self.sends, *self.calls)


class Exchange:
    """One request and its answer.

    Args:
        tasks: whose tasks it takes.
        guard: shared by all exchanges; orders `add` in threads against the start of the answer.
        send: the server's.
        closed: why it takes no task, if it takes none.
        inline: its background tasks run before the end of the answer leaves, since nothing runs after it here.

    Attributes:
        batch: what was added; None until then.
        closed: why no task can be added any more; None while one can.
    """

    __slots__ = ("_answered", "_guard", "_inline", "_send", "batch", "closed", "tasks")

    def __init__(
        self,
        tasks: Installed,
        guard: threading.Lock,
        send: Send,
        closed: str | None = None,
        *,
        inline: bool = False,
    ) -> None:
        self.tasks = tasks
        self.batch: Batch | None = None
        self.closed = closed
        self._guard = guard
        self._send = send
        self._answered = False
        self._inline = inline

    def add(self, sendable: Sendable[...], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Ticket:
        """Add a task to the batch; safe from any thread.

        Raises:
            ArgumentsRefused: the arguments do not fit.
            UsageError: the answer has started, or there will be none.
        """
        self._check_open(sendable)
        runtime, task = self.tasks.runtime, sendable.task
        item: Call | Prepared
        if task.lane is Lane.BACKGROUND:
            item = runtime.background.prepare(task, args, kwargs, id=runtime.new_id())
        else:
            item = runtime.sender.prepare(sendable, args, kwargs)
        with self._guard:
            self._check_open(sendable)
            batch = self.batch = self.batch or Batch()
            if isinstance(item, Call):
                batch.calls.append(item)
            else:
                batch.sends.append(item)
        return item.ticket

    @property
    def is_over(self) -> bool:
        """It has been answered, and nothing was added: there is nothing to end, as with most requests of a process."""
        return self.batch is None and self.closed is not None

    def upload(self, source: Any) -> Blob:
        """A blob to be.

        Raises:
            HTTPException: 413, the size is known to be over the upload limit.
            TypeError: no upload, bytes, path or binary file.
        """
        try:
            return self.tasks.runtime.upload(source)
        except BlobTooLarge as error:
            raise HTTPException(413, str(error)) from None

    def _check_open(self, sendable: Sendable[...]) -> None:
        if self.closed is not None:
            raise UsageError(
                f"task {sendable.task.name} cannot be added {self.closed}: it would go with the start of "
                f"an answer. Use `await tasks.send(...)`, which sends at once."
            )

    def _close(self) -> bool:
        """Take no more tasks, from no thread; whether it took some until now."""
        with self._guard:
            was_open, self.closed = self.closed is None, AFTER_THE_START
        return was_open

    def send(self, message: Message) -> Awaitable[None]:
        """The `send` the app gets: at the start of the answer the batch goes or is rolled back.

        Where nothing was added it makes no coroutine of its own: most messages of a process are such.
        """
        if message["type"] == "http.response.start":
            self._close()
            if self.batch is not None:
                return self._start(message, self.batch)
        elif self._answered:
            raise Refused
        elif self._inline and self.batch is not None and not message.get("more_body"):
            return self._end_inline(message, self.batch)
        return self._send(message)

    async def end(self, error: BaseException | None) -> None:
        """The app has returned or raised: run the background tasks of the batch, or roll the batch back.

        Args:
            error: what the app raised. A cancelled request does not wait for its background tasks.
        """
        was_open = self._close()
        batch = self.batch
        if batch is None:
            return
        if was_open:
            self._roll_back(batch.items(), f"{type(error).__name__} in the request" if error else "no answer")
        elif batch.calls:
            background = self.tasks.runtime.background
            if isinstance(error, asyncio.CancelledError):
                background.begin(batch.calls)
            else:
                await _After(background, batch.calls)()

    async def _end_inline(self, message: Message, batch: Batch) -> None:
        """The end of the answer waits for the background tasks."""
        calls, batch.calls = batch.calls, []
        if calls:
            await _After(self.tasks.runtime.background, calls)()
        await self._send(message)

    async def _start(self, message: Message, batch: Batch) -> None:
        if message["status"] >= HTTPStatus.BAD_REQUEST:
            self._roll_back(batch.items(), f"the answer is {message['status']}")
        elif batch.sends:
            try:
                await self.tasks.runtime.sender.store(batch.sends)
            except asyncio.CancelledError:
                self._give_up(batch, "cancelled while it was being stored: it may be stored")
                raise
            except Exception as error:  # noqa: BLE001  (whatever it was, the answer must not say yes)
                await self._refuse(batch, error)
        await self._send(message)

    async def _refuse(self, batch: Batch, error: Exception) -> NoReturn:
        """Answer that the batch was not accepted, and end the endpoint."""
        status, detail = _explain(error)
        self._give_up(batch, f"{detail} ({type(error).__name__}: {error})")
        self._answered = True
        body = {"detail": detail, "ids": [each.id for each in batch.sends]}
        answer = JSONResponse(body, status_code=status)
        await self._send({"type": "http.response.start", "status": status, "headers": answer.raw_headers})
        await self._send({"type": "http.response.body", "body": bytes(answer.body)})
        raise Refused

    def _give_up(self, batch: Batch, why: str) -> None:
        """The queue did not say yes: name its tasks, and roll back the ones that were to run after the answer."""
        for send in batch.sends:
            log.error("%s %s: %s", send.task.name, send.id, why)
        self._roll_back(batch.calls, "the tasks of its request could not be stored")

    def _roll_back(self, items: Iterable[Call | Prepared], why: str) -> None:
        self.batch = None
        for item in items:
            self.tasks.runtime.background.rolled_back[item.task.name] += 1
            log.warning("%s %s rolled back: %s", item.task.name, item.id, why)


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of the present request.

    Raises:
        UsageError: the app has no tasks installed.
    """
    exchange: Exchange | None = scope.get(SCOPE_KEY)
    if exchange is None:
        raise UsageError("this app has no lanes: call tasks.install(app) where the app is made")
    return exchange


def _explain(error: Exception) -> tuple[int, str]:
    """Status and sentence for the client: nothing of the inside."""
    if isinstance(error, UploadRefused):
        return 409, f"{error}; nothing was started"
    if isinstance(error, BlobSpent):
        return 409, "this upload was used already, and its tasks have ended: upload the file again"
    if isinstance(error, (BlobTooLarge, ArgumentsRefused)):
        return 413, "the request carries more bytes than its tasks may have; nothing was stored"
    if isinstance(error, TwolaneError) and not isinstance(error, SendUnknown):
        return 503, "the tasks of the request could not be stored; nothing was started"
    return 503, "it is not known whether the tasks of the request were stored"
