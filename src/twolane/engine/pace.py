"""When a target is told what: a pure function of what is owed, what went lately, and the time.

The first of a kind goes at once; what follows it within a minute goes as one digest; and no target gets more
than a few messages a minute, whatever dies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from twolane.values.telling import Owed, OwedAlert, TargetState

MAX_KINDS = 1_000
"""How many kinds are remembered as told lately; of more, the oldest are told again as if they were new."""
TRY_S, MAX_TRY_S = 5.0, 30.0
"""The pause after a first try that was not accepted, and the longest one: a target that is up again hears soon."""
MAX_ERROR_CHARS = 500


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a target takes.

    Attributes:
        most: how many messages in any window; None: any number.
        each: whether deaths are told one by one as long as they are few enough, or the first alone and then
            in digests.
        window_s: how long the first of a kind keeps others of it waiting, in seconds.
    """

    most: int | None
    each: bool
    window_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell this now: each of `alerts` by itself, or all that is owed as one digest if there are none."""

    up_to: int
    alerts: tuple[OwedAlert, ...] = ()


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing now; look again at `at`, in epoch seconds."""

    at: float


def plan(owed: Owed, state: TargetState, now: float, pace: Pace) -> Tell | WaitUntil | None:
    """What to do about a target now; None: nothing is owed.

    A time in the future among what went lately comes of a clock that was put back; it counts for nothing.
    """
    if not owed.total:
        return None
    if now < state.next_at <= now + MAX_TRY_S:
        return WaitUntil(state.next_at)
    if pace.most is None:
        return Tell(owed.first[-1].number, owed.first)
    recent = _recent(state.sent, now, pace)
    free = pace.most - len(recent)
    if free <= 0:
        return WaitUntil(min(recent) + pace.window_s)
    if pace.each:
        return Tell(owed.up_to, owed.first) if owed.total <= min(free, len(owed.first)) else Tell(owed.up_to)
    told_at = [state.kinds.get(kind.fingerprint, 0.0) for kind in owed.kinds]
    quiet_until = [at + pace.window_s for at in told_at if at <= now < at + pace.window_s]
    if len(quiet_until) == len(told_at):
        return WaitUntil(min(quiet_until))
    if free == 1 and pace.most > 1 and (last := max(recent)) + pace.window_s / 3 > now:
        return WaitUntil(last + pace.window_s / 3)  # the last one of a window is for what gathers meanwhile
    return Tell(owed.up_to, owed.first[:1] if owed.total == 1 else ())


def begun(state: TargetState, tell: Tell, now: float, pace: Pace) -> TargetState:
    """What is written down before anything goes: who dies while telling has told, for all that is known."""
    if pace.most is None:
        return state
    if pace.each and not tell.alerts:
        return replace(state, sent=(now,) * pace.most)  # after a digest nothing for a window
    return replace(state, sent=(*_recent(state.sent, now, pace), *[now] * max(1, len(tell.alerts))))


def accepted(state: TargetState, up_to: int, kinds: Iterable[str], now: float, pace: Pace) -> TargetState:
    """It took what was owed up to this number."""
    lately = {kind: at for kind, at in state.kinds.items() if 0 <= now - at < pace.window_s}
    if not pace.each:
        lately |= dict.fromkeys(kinds, now)
    return replace(
        state,
        told_to=max(up_to, state.told_to),
        tries=0,
        next_at=0.0,
        error=None,
        told_at=now,
        kinds=dict(list(lately.items())[-MAX_KINDS:]),
    )


def refused(state: TargetState, error: str, now: float) -> TargetState:
    """It did not take it: the same again after a pause that doubles."""
    tries = state.tries + 1
    pause_s = min(MAX_TRY_S, TRY_S * 2.0 ** min(state.tries, 10))
    return replace(state, tries=tries, next_at=now + pause_s, error=error[:MAX_ERROR_CHARS], failed_at=now)


def _recent(sent: Iterable[float], now: float, pace: Pace) -> tuple[float, ...]:
    return tuple([at for at in sent if 0 <= now - at < pace.window_s])
