from __future__ import annotations

import pytest

from twolane import Interrupted
from twolane.contracts.queue import Delivery, Holding
from twolane.engine.hold import Hold


@pytest.fixture
def hold() -> Hold:
    return Hold(Delivery("id", "default", "work", "{}", "r", 1, 0.0, 60.0, alone=True))


def test_the_first_reason_stands(hold: Hold) -> None:
    told: list[str | None] = []
    hold.on_interrupt(lambda: told.append(hold.why))
    hold.check()
    hold.interrupt("timed_out")
    hold.interrupt("stopping")
    assert told == ["timed_out"]
    with pytest.raises(Interrupted, match="timed_out"):
        hold.check()


def test_who_listens_late_is_told_at_once(hold: Hold) -> None:
    told: list[str | None] = []
    hold.interrupt("stopping")
    hold.on_interrupt(lambda: told.append(hold.why))
    assert told == ["stopping"]


def test_learns_what_the_queue_answers(hold: Hold) -> None:
    hold.learn(Holding(held=True))
    assert (hold.alone, hold.why) == (True, None)
    hold.learn(Holding(held=True, cleared=True))
    assert (hold.alone, hold.why) == (False, None)
    hold.learn(Holding(held=False))
    assert hold.why == "lease_lost"
