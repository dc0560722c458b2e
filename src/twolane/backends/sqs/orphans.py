"""Blobs that no message ever named go after a day, and what a kill has left of the others is put right.

The place of blobs is gone through part by part, all of it twice a day, by whoever sweeps: one item says which part
is next. A blob that is older than a day and that the state store knows nothing of is first written down as free, on
the condition that nobody was quicker to name it, and then deleted. So no send can be on its way with it.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice

from twolane.backends.sqs.named import blob_key, named_item, orphan, read_named
from twolane.backends.sqs.naming import Naming
from twolane.backends.sqs.rows import from_text, key_of
from twolane.backends.sqs.swaps import Swap, swap
from twolane.contracts.blobs import PARTS, ExpiringBlobs
from twolane.contracts.clock import Clock
from twolane.contracts.state import Change, Conflict, Item, StateStore
from twolane.contracts.sweeping import SweptBlobs
from twolane.values.record import FINISHED

log = logging.getLogger("twolane.sqs")

ROUND_S = 12 * 3600.0
ORPHAN_S = 86_400.0
BATCH = 500
_KEY = "sweep/blobs"


@dataclass(frozen=True, slots=True)
class Round:
    """How far the present round is.

    Attributes:
        owner: the name under which this table owns the place.
        since: blobs that were stored before then are nobody's business here.
        began_at: when the round began.
        part: which one is next.
    """

    owner: str
    since: float
    began_at: float
    part: int = 0


class Orphans:
    """Goes through the place of blobs.

    Args:
        state: where it is written down who names a blob.
        naming: tells the store what is free.
        blobs: the store.
        clock: the age of blobs.
    """

    def __init__(self, state: StateStore, naming: Naming, blobs: ExpiringBlobs, clock: Clock) -> None:
        self._state = state
        self._naming = naming
        self._blobs = blobs
        self._now = clock.now
        self._refused: str | None = None

    def sweep(self, is_over: Callable[[], bool]) -> SweptBlobs:
        """Go through parts until the round or the time is over.

        Args:
            is_over: asked before each part.

        Raises:
            QueueError: the state store cannot be used.
            BlobError: the store of blobs cannot.
        """
        swept = SweptBlobs()
        while not is_over() and (turn := self._next()) is not None:
            if turn.part == 0 and not self._owns(turn.owner):
                break
            deleted = put_right = 0
            old = self._old(turn)
            while some := list(islice(old, BATCH)):
                gone, right = self._look_at(some)
                deleted, put_right = deleted + gone, put_right + right
            swept = SweptBlobs(swept.parts + 1, swept.deleted + deleted, swept.put_right + put_right)
        if swept.deleted or swept.put_right:
            log.info(
                "%d blob(s) that no message named were deleted, %d that outlived theirs put right",
                swept.deleted, swept.put_right,
            )  # fmt: skip
        return swept

    def _next(self) -> Round | None:
        """Take the next part; None: none is due. What a kill leaves of a part is the next round's."""
        now = self._now()

        def make(item: Item | None) -> Swap[Round | None]:
            at = Round(secrets.token_hex(8), now, now) if item is None else Round(**json.loads(item.text))
            if at.part >= PARTS:
                if now - at.began_at < ROUND_S:
                    return Swap(None, None)
                at = replace(at, began_at=now, part=0)
            return Swap(json.dumps(asdict(replace(at, part=at.part + 1))), at)

        return swap(self._state, _KEY, make)

    def _owns(self, owner: str) -> bool:
        """Two tables with one place would each delete what the other's messages name."""
        theirs = self._blobs.claim(owner)
        if theirs == owner:
            self._refused = None
            return True
        self._end_round()
        if self._refused != theirs:
            self._refused = theirs
            log.error(
                "blobs that no message names are not deleted: %s belongs to another TWOLANE_STATE. Give each its own "
                "prefix; if the other one is gone for good, delete the object %s there",
                self._blobs, self._blobs.OWNER,
            )  # fmt: skip
        return False

    def _end_round(self) -> None:
        def make(item: Item | None) -> Swap[None]:
            if item is None:
                return Swap(None, None)
            return Swap(json.dumps(json.loads(item.text) | {"part": PARTS}), None)

        swap(self._state, _KEY, make)

    def _old(self, turn: Round) -> Iterator[str]:
        until = self._now() - ORPHAN_S
        for key, stored_at in self._blobs.stored_in(turn.part):
            if turn.since <= stored_at < until:
                yield key

    def _look_at(self, keys: Sequence[str]) -> tuple[int, int]:
        """How many were deleted, how many put right."""
        items = self._state.read([blob_key(key) for key in keys])
        strangers = [key for key in keys if blob_key(key) not in items]
        known = {key: items[blob_key(key)] for key in keys if blob_key(key) in items}
        return self._delete(strangers), self._put_right(known)

    def _delete(self, keys: Sequence[str]) -> int:
        """First nobody can name them any more, then they go."""
        now = self._now()
        groups = [[Change(blob_key(key), None, named_item(key, orphan(now), None))] for key in keys]
        gone = 0
        for key, answer in zip(keys, self._state.write(groups), strict=True):
            if isinstance(answer, Conflict):
                continue  # named in this moment
            if isinstance(answer, Exception):
                raise answer
            self._blobs.delete(key)
            gone += 1
        return gone

    def _put_right(self, known: dict[str, Item]) -> int:
        """Names of messages that have ended go; what is free, and was not told, is told."""
        before = {key: read_named(item) for key, item in known.items()}
        ids = {each for named in before.values() for each in named.by}
        rows = self._state.read([key_of(each) for each in ids]) if ids else {}
        right = 0
        for key, named in before.items():
            ended = [each for each in named.by if _has_ended(rows.get(key_of(each)), key)]
            if ended and (free := self._free(key, known[key], ended)) is not None:
                self._naming.tell([(key, free)])
                right += 1
            elif named.free_at is not None and not named.told:
                self._naming.tell([(key, known[key])])
                right += 1
        return right

    def _free(self, key: str, item: Item, ended: Sequence[str]) -> Item | None:
        """Take names away from a blob; its item if it is free now. Where somebody was quicker: the next round."""
        after = read_named(item).without(ended, self._now())
        change = Change(item.key, item, named_item(key, after, item))
        [answer] = self._state.write([[change]])
        if isinstance(answer, Exception) and not isinstance(answer, Conflict):
            raise answer
        return change.after if answer is None and after.free_at is not None else None


def _has_ended(item: Item | None, key: str) -> bool:
    """A row that is not there has ended and expired: a name is written in one transaction with its row."""
    if item is None:
        return True
    row = from_text(item.text)
    return row.record.state in FINISHED or key not in row.blobs
