"""The system's clock."""

from __future__ import annotations

import time


class SystemClock:
    """Time from the operating system."""

    def now(self) -> float:
        """The time of day, in epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """A time that never goes back, in seconds."""
        return time.monotonic()
