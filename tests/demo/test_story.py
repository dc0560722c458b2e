"""Where the kills of the demo fall."""

from __future__ import annotations

import random

import pytest

from twolane.cli.demo.failure import DemoFailed
from twolane.cli.demo.story import LEAST_ROWS, goes_on, random_rows
from twolane.values.record import Record, State


@pytest.mark.parametrize("seed", range(50))
def test_kills_fall_far_enough_from_each_other_and_from_both_ends(seed: int) -> None:
    first, second, third = random_rows(20_000, random.Random(seed))
    assert 1_000 <= first <= second - 2_000 <= third - 4_000 <= 11_000
    assert [first, second, third] == random_rows(20_000, random.Random(seed))


def test_a_file_that_is_too_short_is_refused() -> None:
    with pytest.raises(DemoFailed, match="the demo needs 20,000"):
        random_rows(LEAST_ROWS - 1, random.Random(1))


@pytest.mark.parametrize(
    ("state", "done", "goes"),
    [
        (State.RUNNING, 40.0, False),
        (State.WAITING, 40.0, False),
        (State.RUNNING, 50.0, True),
        (State.DONE, 40.0, True),
        (State.DEAD, 40.0, True),
    ],
)
def test_an_import_goes_on_when_it_comes_further_or_ends(state: State, done: float, goes: bool) -> None:
    """One that was killed behind its last checkpoint comes no further."""

    def record(state: State, done: float) -> Record:
        return Record("i", "import_flights", "imports", state, 1, 1, 0.0, 0.0, done=done, total=40.0)

    assert goes_on(record(State.RUNNING, 40.0), record(state, done)) is goes
