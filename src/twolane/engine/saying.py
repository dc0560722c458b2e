"""When a trouble that lasts is said in the log: when it begins or is another one, then seldom, and when it is over.

What is tried again every few seconds would else fill the log with one line, and who reads it would miss the rest.
"""

from __future__ import annotations

from twolane.contracts.clock import Clock
from twolane.values.fingerprint import normalised

LASTING_S = 3600.0
"""How often a trouble that lasts is said again, in seconds."""
BACK_S = 600.0
"""One that was over and comes back within this time is the same one, and is not said anew, in seconds."""
MAX_KINDS = 20
"""How many kinds of one trouble are told apart; of more, all are forgotten and said anew."""


class Saying:
    """What was said of one trouble; not for several threads at once.

    Args:
        clock: only its steady time counts: a time of day that jumps makes nothing older.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said_at: dict[str, float] = {}
        self._lasts = False

    def is_news(self, text: str) -> bool:
        """Whether to say this now; it counts as said then.

        Args:
            text: what is wrong. Numbers, ids and quoted text make it no other trouble.
        """
        now, kind = self._clock.monotonic(), normalised(text)
        before = self._said_at.get(kind)
        if before is not None and now - before < (LASTING_S if self._lasts else BACK_S):
            return False
        if len(self._said_at) >= MAX_KINDS:
            self._said_at.clear()
        self._said_at[kind] = now
        self._lasts = True
        return True

    def is_over(self) -> bool:
        """All is well; answers whether to say that: where the trouble was said."""
        said, self._lasts = self._lasts, False
        return said
