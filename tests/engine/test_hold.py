from __future__ import annotations

import pytest

from twolane import Interrupted
from twolane.contracts.queue import Checkpoint, Delivery, Holding
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


def test_what_comes_behind_a_cancellation_is_told_once_more(hold: Hold) -> None:
    told: list[tuple[str | None, bool]] = []
    hold.on_interrupt(lambda: told.append((hold.why, hold.may_go_on)))
    for why in ("cancelled", "cancelled", "timed_out", "stopping", "cancelled"):
        hold.interrupt(why)
    assert told == [("cancelled", True), ("cancelled", False)]


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


def test_a_pause_is_for_the_next_checkpoint_and_nobody_else_hears_of_it(hold: Hold) -> None:
    told: list[str | None] = []
    hold.on_interrupt(lambda: told.append(hold.why))

    hold.pause()
    hold.check()
    with pytest.raises(Interrupted, match="paused"):
        hold.has_saved(Checkpoint(3))

    assert hold.saved == Checkpoint(3)
    assert told == []
    hold.interrupt("out_of_time")
    assert told == ["paused"], "whoever does not end then is left, and the first reason stands"


def test_the_checkpoint_it_began_with_is_no_progress() -> None:
    began = Checkpoint(2, done=2.0)
    hold = Hold(Delivery("id", "default", "work", "{}", "r", 1, 0.0, 60.0, checkpoint=began))

    hold.has_saved(Checkpoint(2, done=2.0))
    assert hold.saved is None

    hold.has_saved(Checkpoint(3, done=3.0))
    assert hold.saved == Checkpoint(3, done=3.0)
