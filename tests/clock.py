"""Time that a test turns by hand."""

from __future__ import annotations


class FakeClock:
    """A clock (contracts.clock) that stands still until it is advanced.

    Args:
        start: the first time of day, in epoch seconds.
    """

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = start
        self._passed_s = 0.0

    def now(self) -> float:
        return self._start + self._passed_s

    def monotonic(self) -> float:
        return self._passed_s

    def advance(self, seconds: float) -> None:
        """Let this much time pass."""
        self._passed_s += seconds

    def set_forward(self, seconds: float) -> None:
        """Somebody sets the time of day; none has passed."""
        self._start += seconds
