# ruff: noqa: D102 - the contract carries the docstrings
"""What people can read of a queue on SQS without a state store: only what SQS counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

from twolane.backends.aws import Service
from twolane.backends.sqs.addresses import Address
from twolane.backends.sqs.outbox import Outbox
from twolane.backends.sqs.wires import Wires
from twolane.contracts.clock import Clock
from twolane.contracts.state import StateStore
from twolane.values.condition import WatchState
from twolane.values.letters import ALL, Action, DeadGroup, Matching
from twolane.values.record import Attempt, DailySum, DeadLetter, QueueStats, Record, State, Stats
from twolane.values.snapshot import Snapshot
from twolane.values.telling import Owed, Telling


class _Every(frozenset[str]):
    """All there are."""

    def __contains__(self, key: object) -> bool:
        return True


class NoRecords:
    """Records (contract) where there is no state store: only what SQS counts.

    Args:
        address: which queues.
        here: the alerts of this process.
        clock: theirs.
        queues: their names in the app.
        service: the way to SQS; None: botocore as the environment says.
    """

    def __init__(
        self,
        address: Address,
        here: StateStore,
        clock: Clock,
        *,
        queues: Sequence[str] = ("default",),
        service: Service | None = None,
    ) -> None:
        self._service = service or Service("sqs")
        self._wires = Wires(address, self._service)
        self._queues = tuple(queues)
        self._outbox = Outbox(here, clock)

    def get(self, message_id: str) -> Record | None:
        del message_id
        return None

    def get_many(self, message_ids: Collection[str]) -> dict[str, Record]:
        del message_ids
        return {}

    def body(self, message_id: str) -> str | None:
        del message_id
        return None

    def list_dead(self, which: Matching = ALL, *, limit: int = 100) -> list[DeadLetter]:
        del which, limit
        return []

    def dead_ids(self, which: Matching = ALL) -> list[str]:
        del which
        return []

    def dead_groups(self, which: Matching = ALL, *, limit: int = 100) -> list[DeadGroup]:
        del which, limit
        return []

    def actions(self, *, limit: int = 100) -> list[Action]:
        del limit
        return []

    def telling(self) -> Telling:
        return self._outbox.telling()

    def owed(self, after: int, *, whole: int = 0) -> Owed:
        return self._outbox.owed(after, whole, lambda died: [row.letter() for row in died])

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        del message_id
        return None

    def attempts(self, message_id: str) -> tuple[Attempt, ...]:
        del message_id
        return ()

    def daily_sums(self, since_day: int) -> list[DailySum]:  # noqa: ARG002  (the contract's)
        """None: this backend keeps no sums yet, and says so by `Capabilities.sums`."""
        return []

    def stats(self) -> Stats:
        queues = {queue: self._queue_stats(queue) for queue in self._queues}
        telling = self.telling()
        return Stats(
            queues,
            accepted=sum(sum(each.counts.values()) for each in queues.values()),
            owed_alerts=telling.last - telling.told,
            told_alerts=telling.told,
        )

    def snapshot(self) -> Snapshot:
        return Snapshot()  # no worker and no age is known: the watch is off (settings)

    def watch_state(self) -> WatchState:
        return WatchState()

    def _queue_stats(self, queue: str) -> QueueStats:
        names = {
            "ApproximateNumberOfMessages": State.WAITING,
            "ApproximateNumberOfMessagesDelayed": State.WAITING,
            "ApproximateNumberOfMessagesNotVisible": State.RUNNING,
        }
        counts = dict.fromkeys(State, 0)
        for name, value in self._wires.attributes(queue, *names).items():
            if name in names:
                counts[names[name]] += int(value)
        return QueueStats(counts, oldest_age_s=None)

    def blobs_in_use(self) -> AbstractSet[str]:
        return _Every()  # nobody knows which are needed, so none is deleted: a lifecycle rule does that

    def close(self) -> None:
        self._service.close()
