"""The watch: who is told what, and when. A pure function of a snapshot and of what the watch knew before.

    not seen --> pending --> holding --> ended --> forgotten
                 too short    told       told      after a day

A condition is told once when it begins, once a day while it lasts, once when it ends. It begins when it has
been seen for long enough, and ends when it has not been seen for long enough; the latter doubles with each
beginning that is remembered, so that one that comes and goes is told a handful of times a day.
Where and by whom this runs: watching.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from twolane.engine.conditions import Seen, seen_in
from twolane.values.condition import Kind, Phase, Standing, WatchState
from twolane.values.lengths import length
from twolane.values.snapshot import Snapshot
from twolane.values.telling import Notice
from twolane.values.thresholds import Thresholds

DAY_S = 86_400.0
GAP_S = 600.0
"""Nobody looked for so long: what was pending before may have been anything since, and begins anew."""
CLEAR_S = 300.0
"""A condition has ended when it was not seen for so long; twice that at its second time, and so on."""
MOST_DOUBLINGS = 6

_KNOWN = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a look.

    Attributes:
        state: what the watch knows now.
        notices: what is to be told.
    """

    state: WatchState
    notices: tuple[Notice, ...]

    def changed(self, before: WatchState) -> tuple[Standing, ...]:
        """The standings that are not as they were."""
        old = {each.name: each for each in before.standings}
        return tuple([each for each in self.state.standings if old.get(each.name) != each])

    def gone(self, before: WatchState) -> tuple[str, ...]:
        """The names of those that are forgotten."""
        kept = {each.name for each in self.state.standings}
        return tuple([each.name for each in before.standings if each.name not in kept])


def look(snapshot: Snapshot, now: float, thresholds: Thresholds) -> Looked:
    """Decide what there is to tell.

    Args:
        snapshot: the whole at this moment, with what the watch knew before (`state`).
        now: when that is, in epoch seconds. It may be earlier than the look before: clocks jump.
        thresholds: from when on something is wrong.
    """
    before = snapshot.state
    in_a_row = was_watched(before, now)
    seen = {each.name: each for each in seen_in(snapshot, now, thresholds)}
    known = {each.name: _believed(each, now, in_a_row=in_a_row) for each in before.standings}
    standings: list[Standing] = []
    notices: list[Notice] = []
    for name in sorted({*known, *seen}):
        standing, notice = _next(known.get(name), seen.get(name), now)
        if standing is not None:
            standings.append(standing)
        if notice is not None:
            notices.append(notice)
    return Looked(replace(before, looked_at=now, standings=tuple(standings)), tuple(notices))


def was_watched(state: WatchState, now: float) -> bool:
    """Whether the last look is not so long ago that anything may have been since; nor in the future."""
    return state.looked_at is not None and 0 <= now - state.looked_at <= GAP_S


def clear_for_s(standing: Standing) -> float:
    """For how long a condition must not be seen until it has ended, in seconds."""
    doublings = min(max(standing.times - 1, 0), MOST_DOUBLINGS)
    return CLEAR_S * 2.0**doublings


def _believed(standing: Standing, now: float, *, in_a_row: bool) -> Standing:
    """A standing whose times are not in the future, and whose waiting begins anew after a gap."""
    told_at, clear_since = standing.told_at, standing.clear_since
    waits = standing.phase is Phase.PENDING and not in_a_row
    return replace(
        standing,
        since=now if waits else min(standing.since, now),
        told_at=None if told_at is None else min(told_at, now),
        clear_since=None if clear_since is None else min(clear_since, now) if in_a_row else now,
    )


def _next(standing: Standing | None, seen: Seen | None, now: float) -> tuple[Standing | None, Notice | None]:
    """What becomes of one condition, and what is to be told of it."""
    if seen is not None:
        if standing is None:
            standing = Standing(seen.kind, seen.subject, Phase.PENDING, now, seen.title)
        elif standing.phase is Phase.ENDED:
            standing = replace(standing, phase=Phase.PENDING, since=now, title=seen.title)
        return _seen_again(standing, seen, now)
    if standing is None or standing.kind not in _KNOWN:  # a newer twolane's: it is not ours to end
        return standing, None
    return _not_seen(standing, now)


def _seen_again(standing: Standing, seen: Seen, now: float) -> tuple[Standing, Notice | None]:
    if standing.phase is Phase.PENDING:
        if now - standing.since < seen.begins_after_s:
            return standing, None
        begun = replace(
            standing,
            phase=Phase.HOLDING,
            title=seen.title,
            told_at=now,
            times=standing.times + 1,
            level=seen.level,
        )
        return begun, _notice(begun, seen.title, seen.body)
    lasting = replace(standing, clear_since=None)
    if standing.told_at is not None and now - standing.told_at < DAY_S:
        return lasting, None  # as it was, title included: nothing to write
    since = f"So it has been since {_when(standing.since)}; told once a day.\n"
    told = replace(lasting, title=seen.title, told_at=now)
    return told, _notice(told, f"still: {seen.title}", since + seen.body)


def _not_seen(standing: Standing, now: float) -> tuple[Standing | None, Notice | None]:
    told_at = now if standing.told_at is None else standing.told_at
    match standing.phase:
        case Phase.PENDING:  # it was nothing, or it is one that ended before
            return (None if standing.told_at is None else replace(standing, phase=Phase.ENDED)), None
        case Phase.ENDED:
            return (standing if now - told_at < DAY_S else None), None
        case Phase.HOLDING:
            clear_since = now if standing.clear_since is None else standing.clear_since
            if now - clear_since < clear_for_s(standing):
                return replace(standing, clear_since=clear_since), None
            lasted = length(clear_since - standing.since)
            told = f"It began at {_when(standing.since)} and lasted {lasted}."
            ended = replace(standing, phase=Phase.ENDED, told_at=now, clear_since=None, level=None)
            return ended, _notice(standing, f"over: {standing.title}", told)


def _notice(standing: Standing, title: str, body: str) -> Notice:
    return Notice(f"watch:{standing.name}", title, body)


def _when(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
