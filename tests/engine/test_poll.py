"""How long a worker rests between two polls."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from tests.clock import FakeClock
from twolane.contracts.queue import Queue
from twolane.engine import rest as module
from twolane.engine.rest import Rest

NOW = FakeClock().now()
LOOKED_AT = NOW - 0.1


class Waiting:
    """A queue whose next hidden message becomes visible at a given time."""

    def __init__(self, at: float | None) -> None:
        self.at = at
        self.asked = 0

    def next_visible_at(self, queues: tuple[str, ...], after: float) -> float | None:
        assert (queues, after) == (("default",), LOOKED_AT)
        self.asked += 1
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
    rest = Rest(cast("Queue", Waiting(at)), ("default",), FakeClock(), 1.0)
    assert rest.pause_s(LOOKED_AT) == pytest.approx(pause_s, abs=1e-6)


def test_a_rest_is_reckoned_anew_when_something_has_changed() -> None:
    waiting = Waiting(NOW + 3600.0)
    rest = Rest(cast("Queue", waiting), ("default",), FakeClock(), 3600.0)

    async def main() -> None:
        resting = asyncio.create_task(rest.take(LOOKED_AT))
        await asyncio.sleep(0)
        waiting.at = NOW + 0.01
        rest.look_again()
        await asyncio.wait_for(resting, 30)

    asyncio.run(main())


def test_a_busy_worker_reckons_its_rest_now_and_then_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 3600.0)
    waiting = Waiting(NOW + 3600.0)
    rest = Rest(cast("Queue", waiting), ("default",), FakeClock(), 3600.0)

    async def main() -> None:
        resting = asyncio.create_task(rest.take(LOOKED_AT))
        for _ in range(20):
            await asyncio.sleep(0)
            rest.look_again()
        assert waiting.asked == 1
        resting.cancel()

    asyncio.run(main())
