"""Leases are extended from a thread; a lost one is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from twolane import Tasks
from twolane.backends.memory import MemoryQueue
from twolane.contracts.queue import ReleaseDelivery
from twolane.engine.batcher import Batcher
from twolane.engine.hold import Hold
from twolane.engine.keeper import LeaseKeeper
from twolane.testing import VirtualClock

Held = Callable[..., Hold]


@pytest.fixture
def holds() -> list[Hold]:
    return []


@pytest.fixture
def keeper(batcher: Batcher, holds: list[Hold]) -> Iterator[LeaseKeeper]:
    keeper = LeaseKeeper(batcher, lambda: list(holds), 60.0, lambda: True)
    yield keeper
    keeper.close()


@pytest.fixture
def hold(tasks: Tasks, held: Held, holds: list[Hold]) -> Hold:
    hold = held(tasks.task(if_lost="alert", name="work")(lambda: None))
    holds.append(hold)
    return hold


def test_lengthens_what_is_held_to_a_lease_from_now(
    keeper: LeaseKeeper, hold: Hold, clock: VirtualClock, queue: MemoryQueue
) -> None:
    clock.advance(20)
    keeper.extend()
    record = queue.get(hold.delivery.id)
    assert record is not None
    assert record.visible_at == clock.now() + 60
    assert hold.why is None


def test_asks_nothing_while_nothing_is_held(keeper: LeaseKeeper, batcher: Batcher) -> None:
    keeper.extend()
    assert batcher.flushes == 0


def test_interrupts_what_is_lost(
    keeper: LeaseKeeper, hold: Hold, batcher: Batcher, caplog: pytest.LogCaptureFixture
) -> None:
    batcher.ask_blocking(ReleaseDelivery(hold.delivery.receipt))
    keeper.extend()
    assert hold.why == "lease_lost"
    assert "the lease of work id-0 is lost: another worker may run it" in caplog.text


def test_says_nothing_of_what_was_settled_meanwhile(
    keeper: LeaseKeeper, hold: Hold, holds: list[Hold], queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = queue.flush

    def settled_meanwhile(entries):  # type: ignore[no-untyped-def]
        holds.clear()
        flush([ReleaseDelivery(hold.delivery.receipt)])
        return flush(entries)

    monkeypatch.setattr(queue, "flush", settled_meanwhile)
    keeper.extend()
    assert hold.why is None


def test_outlives_a_queue_that_fails(
    keeper: LeaseKeeper,
    hold: Hold,
    queue: MemoryQueue,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(queue, "flush", lambda entries: 1 / 0)
        keeper.extend()
    assert "1 lease(s) could not be extended" in caplog.text
    assert hold.why is None
    clock.advance(5)
    keeper.extend()
    record = queue.get(hold.delivery.id)
    assert record is not None
    assert record.visible_at == clock.now() + 60


def test_outlives_a_queue_that_is_closed(keeper: LeaseKeeper, hold: Hold, batcher: Batcher) -> None:
    batcher.close()
    keeper.extend()
    assert hold.why is None


def test_does_it_by_itself_every_third_of_a_lease(
    batcher: Batcher, queue: MemoryQueue, tasks: Tasks, held: Held
) -> None:
    from threading import Event

    hold = held(tasks.task(if_lost="alert")(lambda: None))
    batcher.ask_blocking(ReleaseDelivery(hold.delivery.receipt))
    lost = Event()
    hold.on_interrupt(lost.set)
    keeper = LeaseKeeper(batcher, lambda: [hold], 0.03, lambda: True)
    assert lost.wait(30)
    keeper.close()
