"""Blobs go when all messages that name them have ended: it is written down here, and the store of blobs is told.

    send:  who names a blob is written in one transaction with the row that names it
    end:   the row first; then, in a thread of its own, the name goes, and whoever takes the last one tells the store

What a kill leaves between the steps is a blob that stays too long, and the sweep finds it (`orphans`). Never one that
goes too early: as long as a row is open its name stands, and what is free no row can name.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from twolane.backends.aws import Outage
from twolane.backends.sqs.named import Named, blob_key, named_item, read_named
from twolane.backends.sqs.swaps import ROUNDS
from twolane.contracts.blobs import ExpiringBlobs
from twolane.contracts.clock import Clock
from twolane.contracts.state import Change, Conflict, Item, StateStore
from twolane.values.errors import BlobError, BlobMissing, QueueError

log = logging.getLogger("twolane.sqs")

MOST_LATE = 10_000
AFRESH_S = 86_400.0
"""A blob that is older than this when it becomes free has its age begin anew: the store goes by age."""
THREADS = 8


class Naming:
    """Who names which blob. Safe from any thread.

    Args:
        state: where it is written down.
        blobs: the store; None: it is told nothing, and nothing is written down.
        clock: since when.
    """

    def __init__(self, state: StateStore, blobs: ExpiringBlobs | None, clock: Clock) -> None:
        self._state = state
        self._blobs = blobs
        self._now = clock.now
        self._guard = threading.Lock()
        self._ended: list[tuple[str, str]] = []
        self._thread: ThreadPoolExecutor | None = None
        self._outage = Outage("the store of blobs, or the list of who names them,", clock.monotonic)

    @property
    def counts(self) -> bool:
        """Whether it is written down who names a blob."""
        return self._blobs is not None

    def changes(
        self, wanted: Mapping[str, Collection[str]], known: Mapping[str, Item | None]
    ) -> list[Change]:
        """What a transaction must hold beside the rows of messages that name blobs.

        Args:
            wanted: the ids of the messages, by the blob's key.
            known: the blobs' items as far as they were seen, by the items' keys.

        Raises:
            BlobSpent: too late for one of them.
        """
        if self._blobs is None:
            return []
        found: list[Change] = []
        for key, ids in wanted.items():
            before = known.get(blob_key(key))
            named = Named(self._now()) if before is None else read_named(before)
            after = named.named_by(ids)
            if not (named.crowd and before is not None):
                found.append(Change(blob_key(key), before, named_item(key, after, before)))
        return found

    def let_go(self, ended: Collection[tuple[str, str]]) -> None:
        """Messages have ended that named blobs: pairs of the blob's key and the message's id. Does not wait."""
        if self._blobs is None:
            return
        with self._guard:
            self._ended += ended
            if len(self._ended) > MOST_LATE:  # the sweep finds them
                del self._ended[: len(self._ended) - MOST_LATE]
            if not self._ended:
                return
        self.later(self._let_go)

    def again(self) -> None:
        """Try what did not work."""
        self.let_go(())

    def later(self, job: Callable[[], object]) -> None:
        """Do something that has to do with blobs in their thread."""
        if self._blobs is None:
            return
        with self._guard:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="twolane-sqs-blobs")
            self._thread.submit(self._guarded, job)

    def settle(self) -> None:
        """Wait until what was let go is told, or has failed."""
        with self._guard:
            thread = self._thread
        if thread is not None:
            thread.submit(lambda: None).result()

    def close(self) -> None:
        """End the thread when it has done what waits."""
        with self._guard:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown()

    def _let_go(self) -> None:
        with self._guard:
            ended, self._ended = self._ended, []
        ids: dict[str, set[str]] = {}
        for key, message_id in ended:
            ids.setdefault(key, set()).add(message_id)
        try:
            if ids:
                self.tell(self._take_names(ids))
        except BaseException:
            with self._guard:
                self._ended = ended + self._ended
            raise

    def _guarded(self, job: Callable[[], object]) -> None:
        """What fails here is a blob that stays longer; it is tried again."""
        try:
            job()
        except (QueueError, BlobError) as error:
            self._outage.failed(error)
        except Exception:
            log.exception("blobs that are free could not be told so: it is tried again")
        else:
            self._outage.worked()

    def _take_names(self, ids: Mapping[str, Collection[str]]) -> list[tuple[str, Item]]:
        """Take the names away; what is free now, or was and nobody was told."""
        items = self._state.read([blob_key(key) for key in ids])
        left = {key: items[blob_key(key)] for key in ids if blob_key(key) in items}
        free: list[tuple[str, Item]] = []
        for _ in range(ROUNDS):
            changes: list[tuple[str, Change]] = []
            for key, item in left.items():
                named = read_named(item)
                after = named.without(ids[key], self._now())
                if after != named:
                    changes.append((key, Change(item.key, item, named_item(key, after, item))))
                elif named.free_at is not None and not named.told:
                    free.append((key, item))
            if not changes:
                return free
            left = dict[str, Item]()
            answers = self._state.write([[change] for _, change in changes])
            for (key, change), answer in zip(changes, answers, strict=True):
                if isinstance(answer, Conflict):
                    now = answer.now.get(change.key)
                    left |= {} if now is None else {key: now}
                elif isinstance(answer, Exception):
                    raise answer
                elif change.after is not None and read_named(change.after).free_at is not None:
                    free.append((key, change.after))
        raise QueueError("others write who names these blobs all the time")

    def tell(self, free: Sequence[tuple[str, Item]]) -> None:
        """Tell the store what is free, and write down that it knows.

        Raises:
            BlobError: it may not know of all.
            QueueError: it may be told again.
        """
        if self._blobs is None or not free:
            return
        blobs = self._blobs

        def release(blob: tuple[str, Item]) -> None:
            key, item = blob
            named = read_named(item)
            old = (named.free_at or named.since) - named.since > AFRESH_S
            try:
                blobs.release(key, afresh=old)
            except BlobMissing:
                log.info("blob %s is gone already", key)

        with ThreadPoolExecutor(min(THREADS, len(free))) as pool:
            list(pool.map(release, free))
        told = [(key, item, _told(item)) for key, item in free]
        answers = self._state.write(
            [[Change(item.key, item, named_item(key, after, item))] for key, item, after in told]
        )
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, Conflict):
                raise answer


def _told(item: Item) -> Named:
    named = read_named(item)
    return Named(named.since, named.by, named.crowd, named.free_at, told=True)
