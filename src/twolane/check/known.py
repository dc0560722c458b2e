"""What names were found to mean, each found once. An answer is the same whoever asks, and however many steps in."""

from __future__ import annotations

from collections.abc import Callable

from twolane.check.refs import Ref
from twolane.check.scopes import Scope

DEEPEST = 24
"""Steps of one resolution, some four a name: a longer chain of names is given up."""


class Known:
    """The meanings of names, each with how many steps it takes: where those are not left, it is as unknown as if looked up."""

    def __init__(self) -> None:
        self._found: dict[tuple[Scope, str], tuple[Ref | None, int]] = {}
        self._reached = 0

    def is_too_deep(self, depth: int) -> bool:
        """Whether a step is one too many."""
        self._reached = max(self._reached, depth)
        return depth > DEEPEST

    def find(
        self, scope: Scope, name: str, depth: int, look: Callable[[str, Scope, int], Ref | None]
    ) -> Ref | None:
        """What a name means, looked up where that is not known."""
        found, steps = self._found.get((scope, name), (None, -1))
        if 0 <= steps <= DEEPEST - depth:
            self._reached = max(self._reached, depth + steps)
            return found
        before, self._reached = self._reached, depth
        found = look(name, scope, depth)
        if self._reached <= DEEPEST:  # it was not for want of steps
            self._found[scope, name] = found, self._reached - depth
        self._reached = max(before, self._reached)
        return found

    def forget(self) -> None:
        """Let go of all, and with it of syntax trees."""
        self._found.clear()
