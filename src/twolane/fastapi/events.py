"""A status as server-sent events: the present one at once, then each change, until it ends or the time is up."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from twolane.engine.followers import Follower
from twolane.engine.runtime import Runtime
from twolane.values.record import ENDED, Record

RETRY_MS = 1000
"""How long a browser waits before it comes back, in milliseconds."""

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would keep events back


class EventStream(Response):
    """The answer that stays open. A client that leaves ends it, and so does a shutdown.

    Args:
        record: the present one.
        form: what of a record may leave, as JSON.
        runtime: tells the changes, how long a stream stays open, and that a shutdown has begun.
    """

    media_type = "text/event-stream"

    def __init__(self, record: Record, form: Callable[[Record], bytes], runtime: Runtime) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._record = record
        self._form = form
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  (ASGI)
        """Send events until nothing more will come."""
        with self._runtime.followers.follow(self._record) as follower:
            leaving = asyncio.create_task(_until_gone(receive))
            leaving.add_done_callback(lambda _: follower.end())
            closing = asyncio.get_running_loop().call_later(self._runtime.limits.stream_s, follower.end)
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async for event in self._events(follower):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                closing.cancel()
                leaving.cancel()

    async def _events(self, follower: Follower) -> AsyncGenerator[bytes]:
        record: Record | None = self._record
        seen = b""
        yield f"retry: {RETRY_MS}\n".encode()
        while record is not None:
            form = self._form(record)
            if form != seen:
                yield b"id: %s\nevent: status\ndata: %s\n\n" % (event_id(form).encode(), form)
            if record.state in ENDED or self._runtime.background.stops:
                return
            seen, record = form, await follower.change()


def event_id(form: bytes) -> str:
    """The id of the event that says this."""
    return hashlib.blake2b(form, digest_size=8).hexdigest()


async def _until_gone(receive: Receive) -> None:
    """Wait until the client has gone."""
    message: dict[str, Any] = {"type": ""}
    while message["type"] != "http.disconnect":
        message = dict(await receive())
