"""The rows of messages in the state store: read, turned, written on the condition that nobody was quicker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from twolane.backends.sqs.alerts import death_of, owing
from twolane.backends.sqs.rates import Rates
from twolane.backends.sqs.rows import Row, body_key, from_text, item_of, key_of, to_text
from twolane.backends.sqs.sums import EVERY_S, Sums
from twolane.backends.sqs.swaps import ROUNDS, Swap, swap
from twolane.backends.sqs.turns import Turn
from twolane.contracts.clock import Clock
from twolane.contracts.state import Change, Conflict, Item, StateStore
from twolane.values.errors import QueueError
from twolane.values.record import FINISHED

COUNTERS = "count/finished"
"""How many messages ended, by state and queue; what a kill between two writes lets slip is not in it."""
LATE = "late"
"""Among the counters beside the states: what was done while its row could not be written."""

Turner = Callable[[Row], Turn]


@dataclass(slots=True)
class Turning:
    """What several entries of one flush want to make of one message, in their order.

    Attributes:
        key: the message's.
        turners: one each; they may raise, which is the entry's answer.
        known: the item as it was last seen, if it was.
        turns: what each came to, or its error; None: the message is not there.
        row: what it is afterwards; None: it is not there.
    """

    key: str
    turners: list[Turner]
    known: Item | None = None
    turns: list[Turn | Exception | None] = field(default_factory=list["Turn | Exception | None"])
    row: Row | None = None
    item: Item | None = None


class Ledger:
    """Rows over a state store.

    Args:
        state: where they are.
        clock: the time of alerts.
        keep_s: how long finished ones are kept, in seconds.
        sums_every_s: the pace of the daily sums, in seconds.

    Attributes:
        sums: what each task did on each day.
    """

    def __init__(
        self, state: StateStore, clock: Clock, *, keep_s: float, sums_every_s: float = EVERY_S
    ) -> None:
        self.state = state
        self.keep_s = keep_s
        self._now = clock.now
        self._ended: Counter[str] = Counter()
        self._rates = Rates(state, clock)
        self.sums = Sums(state, clock, every_s=sums_every_s)
        self._owing: list[Item] = []
        self._let_go: list[tuple[str, str]] = []

    def rows(self, ids: Sequence[str]) -> dict[str, tuple[Item, Row]]:
        """The rows of messages by their ids, as they are now."""
        found = self.state.read([key_of(each) for each in ids])
        rows = {each: found.get(key_of(each)) for each in ids}
        return {each: (item, from_text(item.text)) for each, item in rows.items() if item is not None}

    def turn(self, turnings: Sequence[Turning]) -> None:
        """Make the turns; what each came to stands in it.

        Raises:
            QueueError: the store cannot be read; nothing was written.
        """
        unknown = [each.key for each in turnings if each.known is None]
        found: Mapping[str, Item | None] = self.state.read(unknown) if unknown else {}
        left = [(each, each.known or found.get(each.key)) for each in turnings]
        for _ in range(ROUNDS):
            groups = [self._group(turning, item) for turning, item in left]
            answers = iter(self.state.write([group for group in groups if group]))
            again: list[tuple[Turning, Item | None]] = []
            for (turning, item), group in zip(left, groups, strict=True):
                answer = next(answers) if group else None
                if isinstance(answer, Conflict):
                    again.append((turning, answer.now.get(turning.key, item)))
                elif isinstance(answer, Exception):
                    turning.turns = [answer] * len(turning.turners)
                elif turning.row is not None:
                    self.written(group, turning.row, turning.turns)
            if not again:
                return
            left = again
        busy = QueueError("somebody else changes the message all the time; nothing was settled")
        for turning, _ in left:
            turning.turns = [busy] * len(turning.turners)

    def _group(self, turning: Turning, item: Item | None) -> list[Change]:
        """The turns of one message as changes; none where nothing changes."""
        turning.turns, turning.item, turning.row = [], item, None
        if item is None:
            turning.turns = [None] * len(turning.turners)
            return []
        row, deaths = from_text(item.text), 0
        for turner in turning.turners:
            try:
                turn = turner(row)
                to_text(turn.row)
            except (QueueError, ValueError, TypeError) as error:
                turning.turns.append(error)
                continue
            turning.turns.append(turn)
            row = turn.row
            deaths += turn.died
        turning.row = row
        group = self.changes(item, row, died=deaths > 0)
        if group:
            turning.item = group[0].after
        return group

    def changes(self, item: Item | None, row: Row, *, died: bool) -> list[Change]:
        """A row as the next version of its item; none where nothing changes. A death is owed from the same moment on."""
        after = item_of(row, item, keep_s=self.keep_s)
        if item is not None and after.text == item.text:
            return []
        change = Change(after.key, item, after)
        # A message's version never comes again, and so the alert's name does not.
        name = f"{after.key}/{after.version}"
        return [change, owing(name, [death_of(row, self._now())])] if died else [change]

    def written(self, group: Sequence[Change], row: Row, turns: Sequence[Turn | Exception | None]) -> None:
        """These changes were written, for these turns, and this is the row now: they count."""
        if group and row.record.state in FINISHED:
            self._ended_now(group[0].before, row)
        self._owing += [change.after for change in group[1:] if change.after is not None]
        for turn in turns:
            if not isinstance(turn, Turn):
                continue
            task = turn.row.record.task
            if turn.ended is not None:
                self._rates.note(task, done=turn.ended)
                self.sums.note_attempt(task, done=turn.ended, run_s=_run_s(turn.row, done=turn.ended))
            if turn.died:
                self.sums.note_dead(task)

    def taken_owing(self) -> list[Item]:
        """What is owed by deaths since the last time, and has no numbers yet."""
        found, self._owing = self._owing, []
        return found

    def new(self, row: Row) -> Change:
        """A row that is not there yet."""
        return Change(key_of(row.record.id), None, item_of(row, None, keep_s=self.keep_s))

    def put_body(self, message_id: str, body: str) -> None:
        """Keep a body that is too large for its row.

        Raises:
            QueueError: it may not be there.
        """
        swap(self.state, body_key(message_id), lambda _: Swap(body, None))

    def body(self, row: Row) -> str | None:
        """The body of a message."""
        if row.body is not None:
            return row.body
        key = body_key(row.record.id)
        item = self.state.read([key]).get(key)
        return None if item is None else item.text

    def forget_body(self, message_id: str) -> None:
        """A large body goes."""
        self.state.write([[Change(body_key(message_id), None, None)]])

    def _ended_now(self, item: Item | None, row: Row) -> None:
        """A message has come to its end: it stays counted when its record is gone, and its blobs are let go."""
        before = row if item is None else from_text(item.text)
        if item is not None and before.record.state in FINISHED:
            return
        self._ended[f"{row.record.state.value}:{row.record.queue}"] += 1
        self._let_go += [(key, row.record.id) for key in before.blobs]

    def note_late(self, queue: str) -> None:
        """A message of this queue is done, and that could not be written now."""
        self._ended[f"{LATE}:{queue}"] += 1

    def taken_let_go(self) -> list[tuple[str, str]]:
        """The blobs that messages have named which ended since the last time: pairs of a blob's key and an id."""
        found, self._let_go = self._let_go, []
        return found

    def write_counts(self, *, at_once: bool = False) -> None:
        """Bring the counters up to date; what cannot be written now is written later.

        Args:
            at_once: also those that have a pace of their own: the process ends.

        Raises:
            QueueError: some are written with the next flush.
        """
        self.sums.write(at_once=at_once)
        self._rates.write()
        ended, self._ended = self._ended, Counter()
        amounts = {name: count for name, count in ended.items() if count}
        if not amounts:
            return
        try:
            self.state.add(COUNTERS, amounts)
        except QueueError:
            self._ended.update(ended)
            raise


def _run_s(row: Row, *, done: bool) -> float:
    """How long the attempt took that has just ended."""
    if done:
        kept = row.record
        return (
            0.0 if kept.finished_at is None or kept.started_at is None else kept.finished_at - kept.started_at
        )
    return 0.0 if row.failure is None else row.failure.ended_at - row.failure.started_at
