"""The box that tells a death: what it says, and that a muted logger does not swallow it."""

from __future__ import annotations

import logging

import pytest
from twolane.engine.telling import boxed, tell_log

from twolane.values.outcome import Failure, Reason
from twolane.values.record import Attempt, DeadLetter, Record, State

LETTER = DeadLetter(
    Record(
        "the-id",
        "mails:send",
        "default",
        State.DEAD,
        2,
        2,
        sent_at=0.0,
        visible_at=0.0,
        reason=Reason.GAVE_UP,
    ),
    "{}",
    (Attempt(1, "failed", Failure("ValueError", "no \x1b[31msuch\nhost", "", 60.0, 61.0)),),
)


def test_the_box_says_what_died_why_and_what_to_do() -> None:
    box = boxed(LETTER, "sqlite:////q.db")

    assert "task mails:send died: gave_up" in box
    assert "attempt 1: ValueError: no  [31msuch host" in box, "control characters are neutralised"
    assert "TWOLANE_QUEUE=sqlite:////q.db" in box
    assert "twolane dead redrive the-id" in box
    assert len({len(line) for line in box.split("\n")[1:]}) == 1, "a box has straight sides"


def test_the_log_is_told(caplog: pytest.LogCaptureFixture) -> None:
    tell_log(LETTER)

    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_muted_logger_does_not_swallow_a_death(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("twolane.alert"), "disabled", True)

    tell_log(LETTER)

    assert "task mails:send died" in capsys.readouterr().err
