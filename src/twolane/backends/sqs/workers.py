"""The list of workers in the state store. A worker that dies is taken off it after a while: SQS cannot tell."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from twolane.backends.sqs.swaps import Place, Swap, swap
from twolane.contracts.clock import Clock
from twolane.contracts.state import Change, StateStore
from twolane.values.record import WorkerInfo

SHELF = "workers"
BEAT_S = 60.0
GONE_AFTER_S = 180.0


class Workers:
    """The workers of this process on the list.

    Args:
        state: where the list is.
        clock: the time of their beats.
    """

    def __init__(self, state: StateStore, clock: Clock) -> None:
        self._state = state
        self._now = clock.now
        self._mine: dict[str, tuple[WorkerInfo, float]] = {}

    def register(self, info: WorkerInfo) -> None:
        """List a worker, or bring its entry up to date."""
        now = self._now()
        self._mine[info.id] = (info, now)
        text = json.dumps(asdict(info))
        self._put(info.id, text, now)

    def beat(self) -> None:
        """Those of this process still live."""
        now = self._now()
        for info, at in list(self._mine.values()):
            if now - at >= BEAT_S:
                self.register(info)

    def unregister(self, worker: str) -> None:
        """Take a worker off the list."""
        self._mine.pop(worker, None)
        self._state.write([[Change(_key(worker), None, None)]])

    def _put(self, worker: str, text: str, now: float) -> None:
        expires_at = float(int(now + 10 * GONE_AFTER_S))
        on = Place(SHELF, now, text, expires_at)
        swap(self._state, _key(worker), lambda _: Swap(text, None, on))


def listed(state: StateStore, now: float) -> tuple[WorkerInfo, ...]:
    """The workers that live, as far as their beats tell; the oldest first."""
    alive = [each for each in state.shelf(SHELF) if now - each.place < GONE_AFTER_S]
    infos = [_read(each.head) for each in alive]
    return tuple(sorted(infos, key=lambda info: (info.started_at, info.id)))


def _read(text: str) -> WorkerInfo:
    has: dict[str, Any] = json.loads(text)
    has |= {"queues": tuple(has["queues"]), "tasks": tuple(has["tasks"])}
    return WorkerInfo(**has)


def _key(worker: str) -> str:
    return f"worker/{worker}"
