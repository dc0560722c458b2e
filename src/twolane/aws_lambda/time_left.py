"""How much of an invocation's time is left, and what it is good for. Pure but for the clock that is passed in."""

from __future__ import annotations

from collections.abc import Callable

PAUSE_PART, PAUSE_S = 0.1, (1.0, 20.0)
"""So long before the end, as a part of the whole and within these bounds in seconds, tasks are told to pause."""
STOP_PART, STOP_S = 0.04, (0.5, 5.0)
"""So long before the end what still runs is left, so that the answer goes out."""


class TimeLeft:
    """The time of one invocation.

    Args:
        left_s: how much is left as the handler begins.
        monotonic: the time, in seconds.
    """

    def __init__(self, left_s: float, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._whole_s = left_s
        self._pause_s = _within(left_s * PAUSE_PART, PAUSE_S)
        self._stop_s = _within(left_s * STOP_PART, STOP_S)

    @property
    def left_s(self) -> float:
        """Until Lambda kills the process."""
        return self._began + self._whole_s - self._monotonic()

    @property
    def until_pause_s(self) -> float:
        """Until running tasks are told to pause at their next checkpoint."""
        return max(0.0, self.left_s - self._pause_s)

    @property
    def until_stop_s(self) -> float:
        """Until what still runs is left."""
        return max(0.0, self.left_s - self._stop_s)

    @property
    def until_last_start_s(self) -> float:
        """Until no new delivery is started: the last one has as long as all have to pause."""
        return max(0.0, self.until_pause_s - self._pause_s)

    @property
    def is_worth_a_start(self) -> bool:
        """Whether a new delivery is started."""
        return self.until_last_start_s > 0

    @property
    def is_mostly_over(self) -> bool:
        """Whether less than half is left: what starts now may be stopped through no fault of its own."""
        return self.left_s < self._whole_s / 2


def _within(value: float, bounds: tuple[float, float]) -> float:
    least, most = bounds
    return min(max(value, least), most)
