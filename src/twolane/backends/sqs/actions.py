"""What a person does to dead letters, with the line of the audit log that says so: `Act`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from twolane.backends.sqs.ledger import Ledger
from twolane.backends.sqs.swaps import Place, Swap, swap
from twolane.contracts.clock import Clock
from twolane.contracts.outbox import Act
from twolane.contracts.state import Item, StateStore
from twolane.values.errors import SendUnknown
from twolane.values.letters import Action
from twolane.values.record import State

SHELF = "actions"


class Acting:
    """Does what people do.

    Args:
        ledger: the rows.
        carry_out: carries out what is done to single messages; answers each.
        clock: the time of the audit log.
    """

    def __init__(self, ledger: Ledger, carry_out: Callable[[Sequence[Any]], list[Any]], clock: Clock) -> None:
        self._ledger = ledger
        self._carry_out = carry_out
        self._now = clock.now

    def act(self, entry: Act) -> tuple[Any, ...]:
        """Write down who does what, do it, and write down to how many.

        A kill in between leaves the line with the smaller number, never a deed without a line.
        """
        self._write_down(entry.action, 0)
        rows = self._ledger.rows([each.id for each in entry.entries])
        dead = {each for each, (_, row) in rows.items() if row.record.state is State.DEAD}
        keyed = {each for each, (_, row) in rows.items() if row.record.unique_key is not None}
        together = [place for place, each in enumerate(entry.entries) if each.id not in keyed]
        answers: list[Any] = [None] * len(entry.entries)
        for places in (together, *([place] for place, each in enumerate(entry.entries) if each.id in keyed)):
            told = self._carry_out(
                [entry.entries[place] for place in places]
            )  # of one key: one after the other
            for place, answer in zip(places, told, strict=True):
                answers[place] = answer
        done = {
            each.id
            for each, answer in zip(entry.entries, answers, strict=True)
            if each.id in dead
            and (answer in (State.WAITING, State.DISCARDED) or isinstance(answer, SendUnknown))
        }
        if done:
            self._write_down(entry.action, len(done))
        return tuple(answers)

    def _write_down(self, action: Action, done: int) -> None:
        now = self._now()

        def make(item: Item | None) -> Swap[None]:
            at, count = (now, 0) if item is None else (_action_of(item).at, _action_of(item).count)
            text = json.dumps({**asdict(action), "at": at, "count": count + done})
            return Swap(text, None, Place(SHELF, at))

        swap(self._ledger.state, f"action/{action.id}", make)


def actions(state: StateStore, limit: int) -> list[Action]:
    """What people did, the newest first."""
    listed = [each.key for each in state.shelf(SHELF, newest_first=True, limit=limit)]
    items = state.read(listed) if listed else {}
    return [_action_of(items[key]) for key in listed if key in items]


def _action_of(item: Item) -> Action:
    return Action(**json.loads(item.text))
