"""Body limits: 413 as soon as a body is known to be too large.

FastAPI reads a whole body (and Starlette spools a whole form) before any dependency runs. So the limit
is a dependency that marks its routes, and the middleware's `receive`, which is called after routing,
looks for the mark and counts what it passes on.

Annotations stay objects here: older FastAPI cannot resolve written ones on an instance with `__call__`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope

from twolane.fastapi.exchange import Exchange, exchange_of


class BodyLimit:
    """The dependency that marks a route; `limit_body` makes it.

    Args:
        size_bytes: the largest body, in bytes.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes

    async def __call__(self, connection: HTTPConnection) -> None:
        """Refuse a body that its own header says is too large, where the endpoint never reads it."""
        exchange_of(connection.scope)
        self.check_header(connection.scope)

    def check_header(self, scope: Scope) -> None:
        """Refuse by Content-Length, before a byte is read.

        Raises:
            HTTPException: 413.
        """
        self.check(int(Headers(scope=scope).get("content-length", "0")))

    def check(self, size_bytes: int) -> None:
        """Refuse by what was counted.

        Raises:
            HTTPException: 413.
        """
        if size_bytes > self.size_bytes:
            raise HTTPException(413, f"the body is larger than {self.size_bytes} bytes")


def limit_body(size_bytes: int) -> Callable[..., Awaitable[None]]:
    """A dependency that limits the body of its routes; see `Tasks.limit_body`."""
    return BodyLimit(size_bytes)


class CountedBody:
    """The `receive` the app gets: counts the bytes of a body where its route is marked.

    Args:
        scope: the request's; routing has put the route there when the body is first asked for.
        receive: the server's.
        exchange: once its answer has started, nothing is refused any more.
    """

    __slots__ = ("_exchange", "_limit", "_receive", "_scope", "_size_bytes")

    def __init__(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        self._scope = scope
        self._receive = receive
        self._exchange = exchange
        self._limit: BodyLimit | None = None
        self._size_bytes = -1  # nothing was asked for yet

    def __call__(self) -> Awaitable[Message]:
        """The next message of the request."""
        if self._size_bytes < 0:
            self._limit = _find(_dependant(self._scope))
            self._size_bytes = 0
            if self._limit is not None:
                self._limit.check_header(self._scope)
        return self._receive() if self._limit is None else self._count(self._limit)

    async def _count(self, limit: BodyLimit) -> Message:
        message = await self._receive()
        self._size_bytes += len(message.get("body", b""))
        if self._exchange.closed is None:
            limit.check(self._size_bytes)
        return message


def _dependant(scope: Scope) -> Any:
    """What the matched route depends on; newer FastAPI keeps a router's dependencies beside its routes."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    return getattr(included or scope.get("route"), "dependant", None)


def _find(dependant: Any) -> BodyLimit | None:
    """The smallest limit among the dependencies of a route."""
    if dependant is None:
        return None
    limits = [dependant.call] if isinstance(dependant.call, BodyLimit) else []
    limits += [found for each in dependant.dependencies if (found := _find(each)) is not None]
    return min(limits, key=lambda limit: limit.size_bytes, default=None)
