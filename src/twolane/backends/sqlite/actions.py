"""What a person does to dead letters, with the line of the audit log that says so: `Act`."""

from __future__ import annotations

from twolane.backends.sqlite.letters import discard, redrive, state_of
from twolane.backends.sqlite.transaction import Transaction
from twolane.backends.sqlite.transitions import storable
from twolane.contracts.outbox import Act
from twolane.contracts.queue import Discard, Redrive
from twolane.values.errors import TwolaneError
from twolane.values.record import State


def act(tx: Transaction, entry: Act) -> tuple[State | TwolaneError | None, ...]:
    """Each in a savepoint of its own, and how many went in the same transaction."""
    answers: list[State | TwolaneError | None] = []
    done = 0
    for each in entry.entries:
        was_dead = state_of(tx, each.id) is State.DEAD
        answer = _alone(tx, each)
        done += was_dead and answer in (State.WAITING, State.DISCARDED)
        answers.append(answer)
    action = entry.action
    tx.connection.execute(
        """
        INSERT INTO actions (id, who, what, which, at, count) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET count = count + excluded.count
        """,
        (action.id, storable(action.who), action.what, storable(action.which), tx.now, done),
    )
    return tuple(answers)


def _alone(tx: Transaction, entry: Redrive | Discard) -> State | TwolaneError | None:
    answer: State | TwolaneError | None
    tx.connection.execute("SAVEPOINT act")
    try:
        answer = redrive(tx, entry) if isinstance(entry, Redrive) else discard(tx, entry)
    except TwolaneError as error:
        tx.connection.execute("ROLLBACK TO act")
        answer = error
    tx.connection.execute("RELEASE act")
    return answer
