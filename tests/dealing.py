"""Which tests begin first where many processes run them: a run lasts as long as its last test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def long_first(tests: Sequence[T], is_long: Callable[[T], bool], workers: int) -> list[T]:
    """The tests in another order: in each worker's share its part of the long ones comes first.

    pytest-xdist deals the tests as they stand in shares of one size, and lets who is done take from the ends of others.
    """
    long, short = [each for each in tests if is_long(each)], [each for each in tests if not is_long(each)]
    dealt: list[T] = []
    for number in range(workers):
        share = (len(tests) - len(dealt)) // (workers - number)
        mine = long[number::workers]
        rest = max(0, share - len(mine))
        dealt += [*mine, *short[:rest]]
        del short[:rest]
    return dealt
