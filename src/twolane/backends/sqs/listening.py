"""Who wants to know when something may be visible: as long as there is somebody, messages are polled for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

from twolane.backends.sqs.polling import Polling


class Listening:
    """Those who listen to one queue."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._numbers = count(1)
        self._listeners: dict[int, Callable[[], None]] = {}

    def listen(self, polling: Polling, on_visible: Callable[[], None]) -> Callable[[], None]:
        """Call `on_visible` from now on; answers the function that ends it.

        Args:
            polling: begins with the first of them and stops with the last.
            on_visible: as `Queue.listen` says.
        """
        number = next(self._numbers)
        with self._guard:
            self._listeners[number] = on_visible
        polling.open()

        def end() -> None:
            with self._guard:
                self._listeners.pop(number, None)
                left = len(self._listeners)
            if not left:
                polling.stop()

        return end

    def wake(self) -> None:
        """Call all of them."""
        with self._guard:
            listeners = list(self._listeners.values())
        for on_visible in listeners:
            on_visible()
