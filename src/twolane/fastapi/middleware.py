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
        function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self._inline = function is not None and tasks.lambda_background == "inline"
        if function is not None and not self._inline:
            _warn_of_lambda(function, [task.name for task in tasks.registry if task.lane is Lane.BACKGROUND])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its exchange in the scope."""
        if scope["type"] != "http" or (SCOPE_KEY in scope and self._is_nested(scope)):
            if scope["type"] == "websocket":
                scope[SCOPE_KEY] = Exchange(self._tasks, self._guard, send, closed=IN_A_WEBSOCKET)
            await self.app(scope, receive, send)
            return
        exchange = scope[SCOPE_KEY] = Exchange(self._tasks, self._guard, send, inline=self._inline)
        try:
            await self.app(scope, CountedBody(scope, receive, exchange), exchange.send)
        except (Exception, asyncio.CancelledError) as error:
            await exchange.end(error)
            if not _is_refusal(error):
                raise
        else:
            if not exchange.is_over:
                await exchange.end(None)
        finally:
            scope[SCOPE_KEY] = self._over  # the server's `send` knows the scope: this would be a cycle

    def _is_nested(self, scope: Scope) -> bool:
        """Whether an outer app has the same tasks installed, and gave the request its exchange."""
        return scope[SCOPE_KEY].tasks is self._tasks


def _warn_of_lambda(function: str, names: list[str]) -> None:
    """Say once what becomes of work that is to run after an answer, where nothing runs after it."""
    if names:
        log.warning(
            'this app runs in Lambda function %s, where nothing runs after the answer. What is if_lost="ignore" runs '
            "before it and holds it up (Mangum), or stands still behind it, perhaps for ever (Web Adapter): %s. Accept "
            'that the answer waits for it, Tasks(lambda_background="inline"); or queue it, if_lost="alert"',
            function, ", ".join(names),
        )  # fmt: skip


async def _nowhere(_message: Message) -> None:
    """The `send` of what is over."""


def _is_refusal(error: BaseException) -> bool:
    """Whether it is what `send` raised, alone or in groups made by task groups on its way."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(Refused)[1] is None
    return isinstance(error, Refused)
