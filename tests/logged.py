"""Awaits a line of twolane's log."""

from __future__ import annotations

import asyncio
import logging

WITHIN_S = 100.0


class Logged(logging.Handler):
    """Hears a line with these words from now on, in an event loop; logged by any thread.

    Args:
        words: what the line says, among other things.
        logger: who logs it, or something below it.
    """

    def __init__(self, words: str, logger: str = "twolane") -> None:
        super().__init__()
        self._words = words
        self._heard = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._logger = logging.getLogger(logger)
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage():
            self._loop.call_soon_threadsafe(self._heard.set)

    async def wait(self) -> None:
        """Until it was heard."""
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._heard.wait()
        finally:
            self._logger.removeHandler(self)
