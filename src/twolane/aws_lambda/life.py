"""The app's life in a loop that runs only while an invocation does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any


class Life:
    """Enters once, and leaves in the same task: what a lifespan opens is closed by the task that opened it.

    Args:
        live: makes what is entered.
    """

    def __init__(self, live: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self._live = live
        self._task: asyncio.Task[None] | None = None
        self._end = asyncio.Event()

    async def enter(self) -> bool:
        """Enter; whether this call did. What it raises is raised here, and the next call tries again."""
        if self._task is not None:
            return False
        entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(entered))
        await asyncio.wait([task, entered], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        self._task = task
        return True

    async def leave(self, within_s: float | None = None) -> None:
        """Leave, if it was entered. What leaving raises is raised here.

        Args:
            within_s: how long that may take, in seconds; None: as long as it takes.

        Raises:
            TimeoutError: it has not left by then.
        """
        self._end.set()
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=within_s)
        if not self._task.done():
            raise TimeoutError(f"not over after {within_s} s")
        await self._task

    async def _run(self, entered: asyncio.Future[None]) -> None:
        async with self._live():
            entered.set_result(None)
            await self._end.wait()
