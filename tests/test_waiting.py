"""Waiting ends when the condition holds, and says what did not come, and what is known of it."""

from __future__ import annotations

import pytest

from tests.waiting import until


def test_it_ends_when_the_condition_holds() -> None:
    looks = iter([False, None, "here"])

    assert until(lambda: next(looks), "it is here", look_s=0) >= 0
    assert list(looks) == []


def test_what_does_not_come_is_said_with_what_is_known() -> None:
    with pytest.raises(AssertionError) as failure:
        until(lambda: False, "rain", 0.001, told=lambda: "the sky is clear", look_s=0)
    assert str(failure.value).startswith("not within 0.001 s: rain\nthe sky is clear")


def test_a_condition_that_cannot_be_looked_at_ends_the_waiting() -> None:
    with pytest.raises(ZeroDivisionError):
        until(lambda: 1 / 0, "never")
