"""The outbox in the state store: every alert has a number, and the numbers have no gaps.

A death or a look of the watch owes its alerts in its own transaction, without numbers: a counter that all deaths
wait for would hold up a flood of them. The numbers come right after, many in one transaction, from one counter; what a
kill leaves without is numbered by whoever looks next. So whoever was told up to a number was told all that lies below.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from twolane.backends.sqs.alerts import (
    OWED,
    OWING,
    Alert,
    alert_key,
    kinds_of,
    owing_text,
    read_alert,
    read_owing,
)
from twolane.backends.sqs.rows import Row
from twolane.backends.sqs.swaps import ROUNDS, Swap, swap
from twolane.backends.sqs.targets import TARGETS, rows_of
from twolane.contracts.clock import Clock
from twolane.contracts.outbox import OweNotice
from twolane.contracts.state import Change, Conflict, Item, StateStore
from twolane.contracts.upkeep import Prune
from twolane.values.errors import QueueError
from twolane.values.record import DeadLetter
from twolane.values.telling import Notice, Owed, OwedAlert, Telling

NUMBERS = "outbox/numbers"
BATCH = 40
"""So many alerts get their numbers in one transaction, which takes 100 changes."""
BATCH_CHARS = 1_500_000
"""And no more than that in it: a transaction takes 4 MB."""
LATE_S = 10.0
LATE = 1000

Letters = Callable[[Sequence[Row]], Sequence[DeadLetter | None]]
"""From the rows of messages as they died to what they are now; None: such a message is gone."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Which numbers were given.

    Attributes:
        last: the last one.
        first: up to this one they are forgotten.
    """

    last: int = 0
    first: int = 0

    @property
    def text(self) -> str:
        """As it is kept."""
        return json.dumps([self.last, self.first])


def numbers_of(item: Item | None) -> Numbers:
    """Read them."""
    return Numbers() if item is None else Numbers(*json.loads(item.text))


class Outbox:
    """What is owed.

    Args:
        state: where it is.
        clock: since when.
    """

    def __init__(self, state: StateStore, clock: Clock) -> None:
        self._state = state
        self._now = clock.now

    def owe_notice(self, entry: OweNotice) -> int:
        """Owe it to every target; answers its number."""
        return self.owe(Alert(self._now(), entry.key, entry.title, entry.body))

    def owe(self, alert: Alert) -> int:
        """Owe it from now on; answers its number."""

        def make(item: Item | None) -> Swap[int]:
            numbers = numbers_of(item)
            last = numbers.last + 1
            return Swap(replace(numbers, last=last).text, last, more=[alert.numbered(last)])

        return swap(self._state, NUMBERS, make)

    def number(self, owed: Sequence[Item]) -> None:
        """Give numbers to what has none.

        Others may do the same at this moment. Who has numbered an alert has deleted what it was owed by and moved the
        counter, in one transaction; and to delete what is gone already is no error in DynamoDB. So the counter is read
        first: what is owed still after that look, and the counter unmoved when it is written, has no number yet.

        Raises:
            QueueError: some have none yet.
        """
        left, rounds = [item.key for item in owed], 0
        while left:
            some, later = left[: 2 * BATCH], left[2 * BATCH :]
            before = self._state.read([NUMBERS]).get(NUMBERS)
            found = self._state.read(some)
            items = [found[key] for key in some if key in found]
            if not items:
                left = later
                continue
            numbers = numbers_of(before)
            batch, group = _numbered(items, numbers)
            last = numbers.last + sum(change.before is None for change in group)
            after = replace(numbers, last=last)
            counter = Item(NUMBERS, 1 if before is None else before.version + 1, after.text)
            [answer] = self._state.write([[Change(NUMBERS, before, counter), *group]])
            if isinstance(answer, Conflict):
                rounds += 1
                if rounds > ROUNDS + len(owed):
                    raise QueueError("alerts get their numbers later: others take numbers all the time")
                continue
            if isinstance(answer, Exception):
                raise answer
            rest = [change.key for change in group if change.before is not None and change.after is not None]
            left = rest + [item.key for item in items[batch:]] + later

    def number_late(self) -> None:
        """Give numbers to what a kill has left without.

        Raises:
            QueueError: some have none yet.
        """
        late = [each.key for each in self._state.shelf(OWING, until=self._now() - LATE_S, limit=LATE)]
        if late:
            found = self._state.read(late)
            self.number([found[key] for key in late if key in found])

    def prune(self, entry: Prune) -> None:
        """Forget what every target has accepted, and is old enough."""
        found = self._state.read([NUMBERS, TARGETS])
        rows = rows_of(found.get(TARGETS)).values()
        told = min((row.state.told_to for row in rows), default=0)
        if told == 0:
            return
        until = self._now() - entry.keep_s
        listed = self._state.shelf(OWED, until=float(told), limit=max(1, entry.limit))
        old = [each for each in listed if json.loads(each.head)[0] <= until]
        if not old:
            return
        first = int(max(each.place for each in old))

        def mark(item: Item | None) -> Swap[None]:
            numbers = numbers_of(item)
            return Swap(replace(numbers, first=max(numbers.first, first)).text, None)

        swap(self._state, NUMBERS, mark)  # first: what is left by a kill is told nobody, and pruned next time
        for answer in self._state.write([[Change(each.key, None, None)] for each in old]):
            if isinstance(answer, Exception):
                raise answer

    # The reading side

    def telling(self) -> Telling:
        """How far each target has been told."""
        found = self._state.read([NUMBERS, TARGETS])
        rows = rows_of(found.get(TARGETS))
        return Telling(numbers_of(found.get(NUMBERS)).last, tuple([rows[each] for each in sorted(rows)]))

    def owed(self, after: int, whole: int, letters: Letters) -> Owed:
        """The alerts beyond a number. What the index does not list yet is looked up: none is left out.

        Args:
            after: the number.
            whole: so many come whole.
            letters: what has become of those who died.
        """
        numbers = numbers_of(self._state.read([NUMBERS]).get(NUMBERS))
        begin = max(after, numbers.first) + 1
        if begin > numbers.last:
            return Owed(numbers.last, 0, (), ())
        listed = self._state.shelf(OWED, since=float(begin), until=float(numbers.last))
        heads = {int(each.place): each.head for each in listed}
        missing = [number for number in range(begin, numbers.last + 1) if number not in heads]
        items = self._state.read([alert_key(number) for number in missing]).values() if missing else ()
        heads |= {int(item.place): item.head for item in items}
        ordered = sorted(heads)
        return Owed(
            up_to=numbers.last,
            total=len(ordered),
            kinds=tuple(kinds_of([heads[number] for number in ordered])),
            first=tuple(self._whole(ordered[: max(0, whole)], letters)),
        )

    def _whole(self, numbers: Sequence[int], letters: Letters) -> list[OwedAlert]:
        items = self._state.read([alert_key(number) for number in numbers]) if numbers else {}
        found = [
            (number, read_alert(items[key].text)) for number in numbers if (key := alert_key(number)) in items
        ]
        told = iter(letters([alert.row for _, alert in found if alert.row is not None]))
        return [_owed(number, alert, None if alert.row is None else next(told)) for number, alert in found]

    def owed_since(self, told_to: Sequence[int]) -> list[float | None]:
        """Since when the oldest alert beyond each of these numbers is owed; None: there is none."""
        numbers = numbers_of(self._state.read([NUMBERS]).get(NUMBERS))
        firsts = [max(number, numbers.first) + 1 for number in told_to]
        wanted = [alert_key(number) for number in {*firsts} if number <= numbers.last]
        items = self._state.read(wanted) if wanted else {}
        found = [items.get(alert_key(number)) for number in firsts]
        return [None if item is None else read_alert(item.text).owed_at for item in found]


def _numbered(left: Sequence[Item], numbers: Numbers) -> tuple[int, list[Change]]:
    """As many as go into one transaction: how many items, and what becomes of them."""
    group: list[Change] = []
    given = chars = batch = 0
    for item in left:
        if group and (given >= BATCH or len(group) >= 2 * BATCH or chars + len(item.text) > BATCH_CHARS):
            break
        alerts = read_owing(item.text)
        now, rest = alerts[: BATCH - given], alerts[BATCH - given :]
        kept = Item(item.key, item.version + 1, owing_text(rest), OWING, item.place) if rest else None
        group.append(Change(item.key, item, kept))
        group += [alert.numbered(numbers.last + given + place) for place, alert in enumerate(now, 1)]
        given += len(now)
        chars += len(item.text)
        batch += 1
    return batch, group


def _owed(number: int, alert: Alert, letter: DeadLetter | None) -> OwedAlert:
    if alert.row is None:
        notice = Notice(alert.fingerprint, alert.title, alert.body)
        return OwedAlert(number, alert.owed_at, alert.fingerprint, notice=notice)
    return OwedAlert(
        number,
        alert.owed_at,
        alert.fingerprint,
        letter=letter,
        reason=alert.row.record.reason,
        error=alert.title,
    )
