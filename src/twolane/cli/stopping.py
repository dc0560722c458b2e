"""How a worker process is told to stop: by signals of its own, by its parent, by the end of its parent.

Each says how often it was asked so far: once drains, twice hurries, three times ends at once. The most
that any of them says holds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from contextlib import suppress
from types import FrameType

from twolane.cli import exits
from twolane.cli.parent import DRAIN, HURRY, KILL, STOP_SIGNALS
from twolane.engine.runtime import Runtime

log = logging.getLogger("twolane.parent")

LEAVE_S = 15.0
"""How long the last settlements and the app's own lifespan may take beyond the grace time, in seconds."""


class Stopping:
    """The stop of one worker process; made in its event loop, in the main thread.

    Args:
        runtime: what is drained.
        parent: the socket to the parent.

    Attributes:
        exit_code: what the process ends with.
    """

    def __init__(self, runtime: Runtime, parent: socket.socket) -> None:
        self.exit_code = exits.NOT_DRAINED
        self._runtime = runtime
        self._parent = parent
        self._loop = asyncio.get_running_loop()
        self._starting = asyncio.current_task()
        self._asked = asyncio.Event()
        self._level = 0
        self._signals = 0
        self._deadline = threading.Timer(runtime.limits.grace_s + LEAVE_S, self._leave)
        self._deadline.daemon = True
        self._guard = threading.Lock()
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        threading.Thread(target=self._listen, name="twolane-parent", daemon=True).start()

    def ready(self) -> None:
        """The worker runs: tell the parent."""
        self._starting = None
        with suppress(OSError):  # it is gone: the listening thread hears of it too
            self._parent.send(b"r")

    async def asked(self) -> None:
        """Wait until the worker has to drain."""
        await self._asked.wait()

    def replace(self) -> None:
        """Too many threads are stuck: drain, and have the parent start another process; in the loop."""
        log.error("too many sync tasks are stuck: this process drains and asks its parent for another")
        self.exit_code = exits.REPLACE
        self._heed(DRAIN)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._ask(self._signals)

    def _listen(self) -> None:
        """In a thread of its own: hear the parent, until it is gone."""
        while said := self._hear():
            self._start_deadline()  # from here, since a task may hold the loop
            self._ask(said[0])
        log.warning("the parent of this worker process is gone: it drains and leaves")
        self._start_deadline()
        self._ask(DRAIN)

    def _hear(self) -> bytes:
        try:
            return self._parent.recv(1)
        except OSError:
            return b""

    def _ask(self, level: int) -> None:
        if level >= KILL:
            self._leave()
        with suppress(RuntimeError):  # the loop is closed: the process is about to end
            self._loop.call_soon_threadsafe(self._heed, level)

    def _heed(self, level: int) -> None:
        if level <= self._level:
            return
        self._level = level
        self._start_deadline()
        self._asked.set()
        self._runtime.begin_stop()
        if level >= HURRY:
            self._runtime.hurry()
            if self._starting is not None:
                self._starting.cancel()

    def _start_deadline(self) -> None:
        with self._guard:
            if self._deadline.ident is None:
                self._deadline.start()

    def _leave(self) -> None:
        log.critical("this worker process ends at once; what it still ran is run again by another worker")
        os._exit(self.exit_code)
