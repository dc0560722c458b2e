"""How long SQS still hides a message: 12 hours in all since it was received, however often that is lengthened.

A longer time is refused as a whole, and the message is visible as soon as the time before it is over. So nothing
longer is asked for. Whoever needs more gets a new 12 hours with the next receive.
"""

from __future__ import annotations

from twolane.values.policy import HELD_EVERYWHERE_S

MAX_HIDDEN_S = HELD_EVERYWHERE_S
"""So long SQS hides a message in all."""
ON_THE_WAY_S = 30.0
"""So long a call may take to reach SQS, tried again and all: then it must still be within the 12 hours."""
BEFORE_US_S = 3600.0
"""So long ago somebody else may have received what they hand to us: an event source that gathers, a slow start."""


def asked_at(known: float | None, now: float) -> float:
    """The moment from which the 12 hours of a copy are counted; of what somebody else has received, early enough.

    Args:
        known: when SQS was asked for it; None: somebody else has received it.
        now: this moment; both by a clock that never goes back, in seconds.
    """
    return now - BEFORE_US_S if known is None else known


def left_s(asked_at: float, now: float) -> float:
    """For how many seconds from now SQS still hides a copy; 0: not at all.

    Args:
        asked_at: when SQS was asked for it, so that its own count began no earlier.
        now: this moment; both by a clock that never goes back, in seconds.
    """
    return max(0.0, MAX_HIDDEN_S - ON_THE_WAY_S - (now - asked_at))
