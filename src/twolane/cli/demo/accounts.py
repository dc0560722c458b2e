"""What must add up at the end: each row of the file, each message, each death. Nothing here starts anything."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from twolane.cli.demo.rows import Row, rows
from twolane.values.outcome import Reason

KEY = ("year", "month", "day", "carrier", "flight", "origin", "dest")
Deaths = tuple[tuple[str, Reason], ...]
"""Dead letters by task, which is empty for a body that is no envelope, and reason."""
DEATHS: Deaths = (
    ("", Reason.UNREADABLE),
    ("always_raises", Reason.ATTEMPTS_EXHAUSTED),
    ("kills_its_process", Reason.CRASHED),
)


@dataclass(frozen=True, slots=True)
class Kill:
    """A SIGKILL to the worker: after which row, how many rows had been stored, and at which it was resumed."""

    pid: int
    row: int
    stored_rows: int
    resumed_from: int


@dataclass(frozen=True, slots=True)
class Death:
    """A dead letter; the task of a body that is no envelope is empty."""

    id: str
    task: str
    reason: str
    deliveries: int
    error: str


@dataclass(frozen=True, slots=True)
class RowCount:
    """The rows of the file, each looked up in the app's own database.

    Attributes:
        in_file: how many the file has.
        imported: how many flights the database has.
        rejected: how many stand among the rejected rows.
        merged: how many name a flight that another row names too.
        lost: how many are nowhere.
        rejected_lines: the lines of the rejected ones.
    """

    in_file: int
    imported: int
    rejected: int
    merged: int
    lost: int
    rejected_lines: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that the demo saw.

    Attributes:
        count: the rows.
        bad_lines: the lines of the file that are known to be bad; None: not known.
        states: the state of each message that was sent, by id; None: no record of it.
        import_id: which of them is the import.
        kills: the SIGKILLs.
        deaths: the dead letters.
        alerts: how many alerts have gone.
        subscribed: how many have subscribed.
        welcomed: how many welcome mails were sent.
        shown_rows: how many rows the customer was told are done.
        accepted: how many messages the queue says it has taken.
        left: what is left in the queue and should not, a sentence each.
        expected: the dead letters that there should be.
    """

    count: RowCount
    bad_lines: frozenset[int] | None
    states: dict[str, str | None]
    import_id: str
    kills: Sequence[Kill]
    deaths: Sequence[Death]
    alerts: int
    subscribed: int
    welcomed: int
    shown_rows: int
    accepted: int
    left: Sequence[str] = ()
    expected: Deaths = DEATHS

    @property
    def lost(self) -> int:
        """Rows and messages that are nowhere."""
        return self.count.lost + sum(state is None for state in self.states.values())


def problems(outcome: Outcome, kills: int) -> list[str]:
    """Whatever does not add up, a sentence each; none if the promise was kept."""
    count = outcome.count
    found: list[str] = []
    if count.in_file != count.imported + count.rejected + count.merged or count.merged < 0:
        found.append(
            f"{count.in_file:,} rows in the file are not {count.imported:,} imported + {count.rejected:,} rejected"
        )
    if outcome.bad_lines is not None and outcome.bad_lines != count.rejected_lines:
        wrong = sorted(outcome.bad_lines ^ count.rejected_lines)[:5]
        found.append(f"the rejected rows are not the bad ones: look at the lines {wrong}")
    if outcome.lost:
        found.append(f"{outcome.lost:,} rows or messages are lost")
    if outcome.shown_rows != count.in_file:
        found.append(f"the customer was told of {outcome.shown_rows:,} rows, the file has {count.in_file:,}")
    if outcome.states.get(outcome.import_id) != "done":
        found.append(f"the import is {outcome.states.get(outcome.import_id)}, not done")
    if len(outcome.kills) != kills:
        found.append(f"the worker was killed {len(outcome.kills)} times, not {kills}")
    if outcome.accepted != len(outcome.states):
        found.append(f"{len(outcome.states)} messages were sent, and the queue has taken {outcome.accepted}")
    found += outcome.left
    found += _problems_of_deaths(outcome)
    if outcome.welcomed != outcome.subscribed:
        found.append(f"{outcome.subscribed} subscribed and {outcome.welcomed} were welcomed")
    return found


def _problems_of_deaths(outcome: Outcome) -> list[str]:
    expected = Counter((task, str(reason)) for task, reason in outcome.expected)
    there = Counter((death.task, death.reason) for death in outcome.deaths)
    found = [f"no dead letter {task or '(no task)'}: {reason}" for task, reason in expected - there]
    found += [
        f"a dead letter nobody expected, {task or '(no task)'}: {reason}" for task, reason in there - expected
    ]
    if outcome.alerts < len(outcome.deaths):
        found.append(f"{len(outcome.deaths)} deaths and only {outcome.alerts} alerts")
    return found


def count_rows(file: Path, database: Path, import_id: str) -> RowCount:
    """Look each row of the file up in the app's database.

    Args:
        file: what was uploaded.
        database: the example app's own.
        import_id: whose rejected rows.
    """
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        flights = {
            tuple(map(str, key))
            for key in connection.execute(f"SELECT {', '.join(KEY)} FROM flights")  # noqa: S608
        }
        found = connection.execute("SELECT line FROM rejected WHERE import_id = ?", (import_id,))
        rejected_lines = frozenset(line for (line,) in found)
    seen = Counter(_fate(row, rejected_lines, flights) for row in rows(file))
    return RowCount(
        in_file=seen.total(),
        imported=len(flights),
        rejected=len(rejected_lines),
        merged=seen["imported"] - len(flights),
        lost=seen["lost"],
        rejected_lines=rejected_lines,
    )


def _fate(row: Row, rejected_lines: frozenset[int], flights: set[tuple[str, ...]]) -> str:
    if row.line in rejected_lines:
        return "rejected"
    key = tuple(_plain(row.fields.get(name, "")) for name in KEY)
    return "imported" if key in flights else "lost"


def _plain(value: str) -> str:
    """A number as the database writes it: 7 for 007."""
    return str(int(value)) if value.isdecimal() else value
