"""Waiting for what no event of ours announces: other processes, the kernel, a service that answers when asked.

What this process does itself is awaited by an event: `logged.py` for a log line, a gate of `gates.py` for a task in another
process that is to wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable

WITHIN_S = 100.0
LOOK_S = 0.02


def until(
    condition: Callable[[], object],
    what: str,
    within_s: float = WITHIN_S,
    *,
    told: Callable[[], str] = str,
    look_s: float = LOOK_S,
) -> float:
    """Look again and again until a condition holds.

    Args:
        condition: what is looked at; true ends the waiting.
        what: the condition in words.
        within_s: how long it may take, in seconds.
        told: what else is said if it takes longer, such as the log of a process.
        look_s: the pause between two looks, in seconds.

    Returns:
        How long it took, in seconds.

    Raises:
        AssertionError: it took longer.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"not within {within_s:g} s: {what}\n{told()}".rstrip()
        time.sleep(look_s)
    return time.monotonic() - began
