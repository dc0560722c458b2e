"""What is said while AWS is away: one line a minute, and one when it is back."""

from __future__ import annotations

import pytest

from tests.clock import FakeClock
from twolane.backends.aws import Outage
from twolane.values.errors import QueueError

HOUR_S = 3600


def test_an_hour_away_is_a_line_a_minute_and_one_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    outage = Outage("receiving from queue imports", clock.monotonic)
    for _ in range(HOUR_S // 5):
        outage.failed(QueueError("no answer"))
        clock.advance(5)
    outage.worked()
    outage.worked()

    said = [each.getMessage() for each in caplog.records]
    assert len(said) == 61
    assert said[0].startswith(
        "receiving from queue imports does not work since 0 s (1 failure(s), the last: no answer)"
    )
    assert said[59].startswith("receiving from queue imports does not work since 3540 s (709 failure(s)")
    assert said[60] == "receiving from queue imports works again after 3600 s"


def test_the_next_outage_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    outage = Outage("it", clock.monotonic)
    outage.failed(QueueError("a"))
    outage.worked()
    outage.failed(QueueError("b"))

    assert [each.getMessage().split(" (")[0] for each in caplog.records] == [
        "it does not work since 0 s",
        "it works again after 0 s",
        "it does not work since 0 s",
    ]
