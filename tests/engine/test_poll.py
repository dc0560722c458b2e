"""How long a worker rests between two polls."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.clock import FakeClock
from twolane.engine.limits import Limits
from twolane.engine.run import Surroundings
from twolane.engine.task import Registry
from twolane.engine.worker import Worker
from twolane.values.record import WorkerInfo

NOW = FakeClock().now()
LOOKED_AT = NOW - 0.1


class Waiting:
    """A queue whose next hidden message becomes visible at a given time."""

    def __init__(self, at: float | None) -> None:
        self.at = at

    def next_visible_at(self, queues: tuple[str, ...], after: float) -> float | None:
        assert (queues, after) == (("default",), LOOKED_AT)
        return self.at


@pytest.mark.parametrize(
    ("at", "pause_s"),
    [
        pytest.param(None, 1.0, id="nothing is hidden"),
        pytest.param(NOW + 0.3, 0.3, id="it becomes visible before the next poll"),
        pytest.param(NOW + 9.0, 1.0, id="it becomes visible much later"),
        pytest.param(NOW - 0.05, 0.0, id="it has become visible since the worker looked"),
    ],
)
def test_a_worker_rests_until_something_becomes_visible(at: float | None, pause_s: float) -> None:
    nothing = cast("Any", None)
    info = WorkerInfo("w", 1, "process", ("default",), (), 10, NOW)
    around = Surroundings(Registry(), nothing, nothing, FakeClock(), nothing)
    worker = Worker(info, cast("Any", Waiting(at)), around, limits=Limits(), upkeep=nothing, on_stuck=nothing)
    assert worker._pause_s(LOOKED_AT) == pytest.approx(pause_s, abs=1e-6)
