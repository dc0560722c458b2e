"""Time as an argument: product code gets the system's clock, tests one that they turn themselves."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """The time of day, in epoch seconds. May jump."""
        ...

    def monotonic(self) -> float:
        """A time that never goes back, in seconds, for durations."""
        ...
