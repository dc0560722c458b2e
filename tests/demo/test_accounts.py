"""The accounts of the demo: whatever is tampered with is found and said."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from twolane.cli.demo.accounts import KEY, Outcome, RowCount, count_rows, problems


def test_an_outcome_that_adds_up_has_no_problem(outcome: Outcome) -> None:
    assert problems(outcome, kills=3) == []
    assert outcome.lost == 0


def test_rows_that_name_a_flight_again_are_accounted_for(outcome: Outcome) -> None:
    count = replace(outcome.count, in_file=11, merged=1)
    assert problems(replace(outcome, count=count, shown_rows=11), kills=3) == []


@pytest.mark.parametrize(
    ("tampered", "said"),
    [
        (
            {"count": RowCount(11, 8, 2, 0, 1, frozenset({3, 5})), "shown_rows": 11},
            ["11 rows in the file are not", "1 rows or messages"],
        ),
        ({"count": RowCount(10, 9, 2, -1, 0, frozenset({3, 5}))}, ["10 rows in the file are not 9 imported"]),
        ({"bad_lines": frozenset({3, 6})}, ["look at the lines [5, 6]"]),
        ({"states": {"i": "running"}, "accepted": 1}, ["the import is running, not done"]),
        ({"states": {"i": "done", "gone": None}, "accepted": 2}, ["1 rows or messages are lost"]),
        ({"accepted": 5}, ["4 messages were sent, and the queue has taken 5"]),
        ({"left": ["SQS has 1 message still"]}, ["SQS has 1 message still"]),
        ({"kills": []}, ["killed 0 times, not 3"]),
        ({"alerts": 2}, ["3 deaths and only 2 alerts"]),
        ({"shown_rows": 9}, ["the customer was told of 9 rows, the file has 10"]),
        ({"welcomed": 2}, ["3 subscribed and 2 were welcomed"]),
    ],
)
def test_what_is_tampered_with_is_said(outcome: Outcome, tampered: dict[str, Any], said: list[str]) -> None:
    found = problems(replace(outcome, **tampered), kills=3)
    assert len(found) == len(said)
    for problem, part in zip(found, said, strict=True):
        assert part in problem


def test_a_missing_and_a_strange_dead_letter_are_said(outcome: Outcome) -> None:
    first, *others = outcome.deaths
    assert problems(replace(outcome, deaths=others), kills=3) == ["no dead letter (no task): unreadable"]
    strange = replace(first, task="import_flights", reason="timed_out")
    (problem,) = problems(replace(outcome, deaths=[*outcome.deaths, strange], alerts=4), kills=3)
    assert problem == "a dead letter nobody expected, import_flights: timed_out"


def test_each_row_is_looked_up_in_the_database(tmp_path: Path) -> None:
    file, database = tmp_path / "f.csv", tmp_path / "f.db"
    rows = [
        "2013,1,1,UA,1,EWR,IAH",
        "2013,01,1,UA,1,EWR,IAH",
        "2013,1,1,UA,2,EWR,IAH",
        "bad",
        "2013,1,1,UA,3,EWR,IAH",
    ]
    file.write_text("\n".join([",".join(KEY), *rows, "", ""]))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"CREATE TABLE flights ({', '.join(KEY)})")
        connection.execute("CREATE TABLE rejected (import_id, line)")
        for flight in (1, 2):
            connection.execute("INSERT INTO flights VALUES (2013, 1, 1, 'UA', ?, 'EWR', 'IAH')", (flight,))
        connection.executemany("INSERT INTO rejected VALUES (?, ?)", [("i", 5), ("another", 6)])
        connection.commit()
    assert count_rows(file, database, "i") == RowCount(
        in_file=5, imported=2, rejected=1, merged=1, lost=1, rejected_lines=frozenset({5})
    )
