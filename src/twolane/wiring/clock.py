"""The system's clock."""

from __future__ import annotations

import time


class SystemClock:
    """Time from the operating system.

    Attributes:
        now: the time of day, in epoch seconds.
        monotonic: a time that never goes back, in seconds.
    """

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
