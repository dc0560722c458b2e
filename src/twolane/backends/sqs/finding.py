"""Dead letters as people look for them: by what their shelf says of them, without reading one."""

from __future__ import annotations

from collections.abc import Iterable

from twolane.backends.sqs.rows import DEAD, DeadHead, read_dead_head
from twolane.contracts.state import StateStore
from twolane.values.letters import ALL, DeadGroup, Matching


def dead_heads(state: StateStore, which: Matching, limit: int | None = None) -> list[DeadHead]:
    """Those that match, the newest first."""
    listed = state.shelf(
        DEAD,
        since=which.since,
        until=which.until,
        newest_first=True,
        limit=limit if which == ALL else None,
    )
    found = [head for each in listed if (head := read_dead_head(each)).matches(which)]
    return found if limit is None else found[: max(0, limit)]


def groups_of(newest_first: Iterable[DeadHead]) -> list[DeadGroup]:
    """By kind, the most frequent first."""
    kinds: dict[tuple[str, str], list[DeadHead]] = {}
    for head in newest_first:
        kinds.setdefault((head.task, head.fingerprint), []).append(head)
    groups = [_group(alike) for alike in kinds.values()]
    return sorted(groups, key=lambda each: (-each.count, -each.last_at, each.task, each.fingerprint))


def _group(newest_first: list[DeadHead]) -> DeadGroup:
    last, first = newest_first[0], newest_first[-1]
    return DeadGroup(
        last.task,
        last.fingerprint,
        last.reason,
        last.error,
        len(newest_first),
        first.died_at,
        last.died_at,
        last.id,
    )
