"""Where twolane's log lines go in a server's process when the app has not said: where the server's own lines go.

uvicorn, hypercorn and gunicorn configure their own loggers and no other. So what twolane tells would be bare text from
WARNING on, and below that nothing: not where the queue is, not what became of a message.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

_SERVERS = ("uvicorn.error", "hypercorn.error", "gunicorn.error")
_AS_MANY_AS_REQUESTS = "twolane.background.done"


@contextmanager
def logged_as_by_the_server() -> Generator[None]:
    """Lend the server's handlers and level to logger `twolane`; nothing where the app has configured logging."""
    ours, frequent = logging.getLogger("twolane"), logging.getLogger(_AS_MANY_AS_REQUESTS)
    server = _server()
    if server is None or ours.hasHandlers():
        yield
        return
    handlers = _handlers(server)
    before = [(logger, logger.level) for logger in (ours, frequent)]
    for logger, level in ((ours, server.getEffectiveLevel()), (frequent, logging.WARNING)):
        if logger.level == logging.NOTSET:
            logger.setLevel(level)
    for handler in handlers:
        ours.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            ours.removeHandler(handler)
        for logger, level in before:
            logger.setLevel(level)


def _server() -> logging.Logger | None:
    """The logger of the server whose process this is; None: none has configured one."""
    for name in _SERVERS:
        if _handlers(logger := logging.getLogger(name)):
            return logger
    return None


def _handlers(logger: logging.Logger) -> list[logging.Handler]:
    """The handlers that a line of a logger reaches."""
    found: list[logging.Handler] = []
    here: logging.Logger | None = logger
    while here is not None:
        found += here.handlers
        here = here.parent if here.propagate else None
    return found
