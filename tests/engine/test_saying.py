"""A trouble is said when it begins, when it changes, seldom while it lasts, and when it is over."""

from __future__ import annotations

import pytest

from tests.clock import FakeClock
from twolane.engine.saying import BACK_S, LASTING_S, MAX_KINDS, Saying


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def saying(clock: FakeClock) -> Saying:
    return Saying(clock)


def test_one_that_lasts_is_said_once_an_hour(clock: FakeClock, saying: Saying) -> None:
    said = 0
    for _ in range(24 * 120):
        said += saying.is_news("the server answers 503")
        clock.advance(30)
    assert said == 24


def test_another_one_is_said_and_two_that_take_turns_are_said_once_each(saying: Saying) -> None:
    texts = ["no answer within 15 s", "an earlier try still hangs"] * 50
    assert [text for text in texts if saying.is_news(text)] == texts[:2]


def test_numbers_ids_and_quoted_text_make_no_other_one(saying: Saying) -> None:
    assert saying.is_news("host 'a.example' refused at 12:00:01, request 7f3a9c21")
    assert not saying.is_news("host 'b.example' refused at 12:00:31, request 8e4b0d32")


def test_the_end_is_said_if_the_trouble_was(clock: FakeClock, saying: Saying) -> None:
    assert not saying.is_over()
    assert saying.is_news("down")
    assert saying.is_over()
    assert not saying.is_over()


def test_one_that_comes_and_goes_is_said_every_ten_minutes(clock: FakeClock, saying: Saying) -> None:
    said = over = 0
    for _ in range(120):  # an hour of a target that takes every other try
        said += saying.is_news("429")
        clock.advance(15)
        over += saying.is_over()
        clock.advance(15)
    assert (said, over) == (6, 6)
    assert BACK_S < LASTING_S


def test_one_that_was_over_for_longer_begins_anew(clock: FakeClock, saying: Saying) -> None:
    assert saying.is_news("down")
    saying.is_over()
    clock.advance(BACK_S)
    assert saying.is_news("down")


def test_kinds_without_end_take_no_memory_without_end(saying: Saying) -> None:
    for number in range(10 * MAX_KINDS):
        assert saying.is_news("x" * number)
    assert len(saying._said_at) <= MAX_KINDS
