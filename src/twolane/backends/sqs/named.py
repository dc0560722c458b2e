"""Who names a blob: a value, its text, and its way from named to free. Pure.

A blob is named from the first message on that was stored with it, and free when all that named it have ended. Free is
for ever: no message can name it again, so that it may go whatever a slow process still does.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace

from twolane.contracts.state import Item
from twolane.values.errors import BlobSpent

MOST_BLOBS = 80
"""So many blobs one message names: with its row they are one transaction, which takes 100 changes."""
CROWD = 1000
"""More messages than this name a blob at a time: they are not counted any more, and it stays for ever."""
KEPT_S = 30 * 86_400.0
"""So long it is remembered that a blob is free; the blob itself goes after 7 days."""


@dataclass(frozen=True, slots=True)
class Named:
    """A blob as the state store knows it.

    Attributes:
        since: when it was named first, in epoch seconds.
        by: the ids of the messages that name it and have not ended.
        crowd: they were too many to be counted.
        free_at: since when nobody names it; None: somebody does.
        told: the store of blobs knows that it is free.
    """

    since: float
    by: tuple[str, ...] = ()
    crowd: bool = False
    free_at: float | None = None
    told: bool = False

    def named_by(self, ids: Collection[str]) -> Named:
        """These messages name it too.

        Raises:
            BlobSpent: it is too late.
        """
        if self.free_at is not None:
            raise BlobSpent(
                "a blob of these arguments belonged to tasks that have all ended, and is about to be deleted: "
                "store its bytes again; nothing was stored",
                list(ids),
            )
        by = dict.fromkeys([*self.by, *ids])
        if self.crowd or len(by) > CROWD:
            return replace(self, by=(), crowd=True)
        return replace(self, by=tuple(by))

    def without(self, ids: Collection[str], now: float) -> Named:
        """These messages have ended."""
        if self.crowd or self.free_at is not None:
            return self
        by = tuple([each for each in self.by if each not in ids])
        return replace(self, by=by, free_at=None if by else now)


def orphan(now: float) -> Named:
    """A blob that no message ever named, and none can from now on."""
    return Named(since=now, free_at=now, told=True)


def blob_key(key: str) -> str:
    """Where it stands who names a blob."""
    return f"blob/{key}"


def read_named(item: Item) -> Named:
    """Read one."""
    has = json.loads(item.text)
    return Named(**(has | {"by": tuple(has["by"])}))


def named_item(key: str, named: Named, before: Item | None) -> Item:
    """The next version of its item. What still has to be told is never forgotten."""
    version = 1 if before is None else before.version + 1
    expires_at = float(int(named.free_at + KEPT_S)) if named.free_at is not None and named.told else None
    return Item(blob_key(key), version, json.dumps(asdict(named)), expires_at=expires_at)
