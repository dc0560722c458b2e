"""Long tests begin first, and none is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.dealing import long_first


def test_each_share_begins_with_its_part_of_the_long_ones() -> None:
    tests = [1, 2, 3, 40, 5, 60, 7, 8, 90, 10]
    assert long_first(tests, lambda each: each in (40, 60, 90), 2) == [40, 90, 1, 2, 3, 60, 5, 7, 8, 10]


@given(st.lists(st.booleans()), st.integers(1, 9))
def test_none_is_left_out(long: list[bool], workers: int) -> None:
    tests = list(enumerate(long))
    assert sorted(long_first(tests, lambda each: each[1], workers)) == tests
