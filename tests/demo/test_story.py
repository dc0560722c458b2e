"""Where the kills of the demo fall."""

from __future__ import annotations

import random

import pytest

from twolane.cli.demo.failure import DemoFailed
from twolane.cli.demo.story import LEAST_ROWS, random_rows


@pytest.mark.parametrize("seed", range(50))
def test_kills_fall_far_enough_from_each_other_and_from_both_ends(seed: int) -> None:
    first, second, third = random_rows(20_000, random.Random(seed))
    assert 1_000 <= first <= second - 2_000 <= third - 4_000 <= 14_000
    assert [first, second, third] == random_rows(20_000, random.Random(seed))


def test_a_file_that_is_too_short_is_refused() -> None:
    with pytest.raises(DemoFailed, match="the demo needs 20,000"):
        random_rows(LEAST_ROWS - 1, random.Random(1))
