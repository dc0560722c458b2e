"""The ASGI middleware: gives each request its exchange, and ends it when the app has returned.

Pure ASGI and the innermost of the user's: it sees the start of an answer after function-scoped
dependencies have committed, and what it answers instead passes through CORS, compression and request ids.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twolane.fastapi.body_limit import CountedBody
from twolane.fastapi.exchange import AFTER_THE_START, IN_A_WEBSOCKET, SCOPE_KEY, Exchange, Refused
from twolane.values.ticket import Lane
from twolane.wiring.installed import Installed

log = logging.getLogger("twolane.lanes")


class LanesMiddleware:
    """Gives each request a batch that goes with its answer.

    Args:
        app: the rest of the app.
        tasks: the tasks it may add.
    """

    def __init__(self, app: ASGIApp, tasks: Installed) -> None:
        self.app = app
        self._tasks = tasks
        self._guard = threading.Lock()
        self._over = Exchange(tasks, self._guard, _nowhere, closed=AFTER_THE_START)
        if "AWS_LAMBDA_FUNCTION_NAME" in os.environ and any(
            t.lane is Lane.BACKGROUND for t in tasks.registry
        ):
            log.warning(
                "Lambda runs nothing after the answer is returned: tasks of the background lane run before it "
                "and hold it up"
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its exchange in the scope."""
        if scope["type"] != "http" or self._is_nested(scope):
            if scope["type"] == "websocket":
                scope[SCOPE_KEY] = Exchange(self._tasks, self._guard, send, closed=IN_A_WEBSOCKET)
            await self.app(scope, receive, send)
            return
        exchange = scope[SCOPE_KEY] = Exchange(self._tasks, self._guard, send)
        try:
            await self.app(scope, CountedBody(scope, receive, exchange), exchange.send)
        except (Exception, asyncio.CancelledError) as error:
            await exchange.end(error)
            if not _is_refusal(error):
                raise
        else:
            await exchange.end(None)
        finally:
            scope[SCOPE_KEY] = self._over  # the server's `send` knows the scope: this would be a cycle

    def _is_nested(self, scope: Scope) -> bool:
        """Whether an outer app has the same tasks installed, and gave the request its exchange."""
        return SCOPE_KEY in scope and scope[SCOPE_KEY].tasks is self._tasks


async def _nowhere(_message: Message) -> None:
    """The `send` of what is over."""


def _is_refusal(error: BaseException) -> bool:
    """Whether it is what `send` raised, alone or in groups made by task groups on its way."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(Refused)[1] is None
    return isinstance(error, Refused)
