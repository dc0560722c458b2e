"""What a worker does beside: old records, blobs that nobody names."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest

from twolane import BlobError, Tasks
from twolane.backends.memory import MemoryBlobs, MemoryQueue
from twolane.contracts.queue import AckDelivery, DeadLetterDelivery, Discard
from twolane.contracts.upkeep import Prune
from twolane.engine import upkeep as module
from twolane.engine.batcher import Batcher
from twolane.engine.hold import Hold
from twolane.engine.limits import Limits
from twolane.engine.sender import Sender
from twolane.engine.upkeep import Upkeep
from twolane.engine.uploads import pending
from twolane.testing import VirtualClock
from twolane.values.blob import Blob
from twolane.values.outcome import Failure, Reason
from twolane.values.record import State

DAY_S = 86_400.0
FAILURE = Failure("ValueError", "no \x1b[31mseats", "Traceback", 0.0, 1.0)
Held = Callable[..., Hold]


@pytest.fixture
def deaths() -> list[None]:
    return []


@pytest.fixture
def upkeep(
    batcher: Batcher, queue: MemoryQueue, blobs: MemoryBlobs, clock: VirtualClock, deaths: list[None]
) -> Upkeep:
    return Upkeep(batcher, queue, blobs, clock, limits=Limits(), on_deaths=lambda: deaths.append(None))


@pytest.fixture
def work(tasks: Tasks) -> Any:
    @tasks.task(if_lost="alert", name="work")
    def work(upload: Blob | None = None) -> None: ...

    return work


@pytest.fixture
def die(batcher: Batcher, held: Held, work: Any) -> Callable[..., str]:
    """Let a message die."""

    def die(*args: Any) -> str:
        hold = held(work, *args)
        batcher.ask_blocking(DeadLetterDelivery(hold.delivery.receipt, Reason.GAVE_UP, FAILURE))
        return hold.delivery.id

    return die


class TestBlobs:
    def kept(self, blobs: MemoryBlobs) -> int:
        return len(list(blobs.stored()))

    def test_of_a_message_that_waits_are_kept(
        self, upkeep: Upkeep, sender: Sender, work: Any, blobs: MemoryBlobs, clock: VirtualClock
    ) -> None:
        sender.store_blocking([sender.prepare(work, (pending(b"x", limit_bytes=1),), {})])
        clock.advance(400 * DAY_S)
        assert upkeep.sweep_blobs() == 0
        assert self.kept(blobs) == 1

    def test_of_a_dead_letter_are_kept_until_it_is_discarded(
        self,
        upkeep: Upkeep,
        die: Callable[..., str],
        batcher: Batcher,
        blobs: MemoryBlobs,
        clock: VirtualClock,
    ) -> None:
        message_id = die(pending(b"x", limit_bytes=1))
        clock.advance(400 * DAY_S)
        asyncio.run(upkeep.tick())
        assert upkeep.sweep_blobs() == 0
        batcher.ask_blocking(Discard(message_id))
        assert upkeep.sweep_blobs() == 1
        assert self.kept(blobs) == 0

    def test_of_a_done_message_are_kept_for_a_week(
        self, upkeep: Upkeep, held: Held, work: Any, batcher: Batcher, blobs: MemoryBlobs, clock: VirtualClock
    ) -> None:
        hold = held(work, pending(b"x", limit_bytes=1))
        batcher.ask_blocking(AckDelivery(hold.delivery.receipt))
        clock.advance(7 * DAY_S - 1)
        asyncio.run(upkeep.tick())
        assert upkeep.sweep_blobs() == 0
        clock.advance(module.PRUNE_S)
        asyncio.run(upkeep.tick())
        assert upkeep.sweep_blobs() == 1

    def test_that_two_messages_name_are_kept_for_the_last(
        self,
        upkeep: Upkeep,
        held: Held,
        work: Any,
        sender: Sender,
        batcher: Batcher,
        blobs: MemoryBlobs,
        clock: VirtualClock,
    ) -> None:
        upload = pending(b"x", limit_bytes=1)
        hold = held(work, upload)
        batcher.ask_blocking(AckDelivery(hold.delivery.receipt))
        sender.store_blocking([sender.prepare(work, (upload,), {})])
        clock.advance(8 * DAY_S)
        asyncio.run(upkeep.tick())
        assert upkeep.sweep_blobs() == 0
        assert self.kept(blobs) == 1

    def test_that_no_message_ever_named_are_kept_for_a_day(
        self, upkeep: Upkeep, blobs: MemoryBlobs, clock: VirtualClock
    ) -> None:
        blobs.put(io.BytesIO(b"x"))
        clock.advance(DAY_S)
        assert upkeep.sweep_blobs() == 0
        clock.advance(1)
        assert upkeep.sweep_blobs() == 1

    def test_one_that_cannot_be_deleted_does_not_keep_the_others(
        self, upkeep: Upkeep, blobs: MemoryBlobs, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = blobs.put(io.BytesIO(b"x"))
        blobs.put(io.BytesIO(b"y"))
        clock.advance(2 * DAY_S)
        delete = blobs.delete

        def refuses(key: str) -> None:
            if key == first.key:
                raise BlobError("read-only")
            delete(key)

        monkeypatch.setattr(blobs, "delete", refuses)
        assert upkeep.sweep_blobs() == 1
        assert [key for key, _ in blobs.stored()] == [first.key]


class TestRecords:
    def test_are_pruned_a_week_after_their_end_and_stay_counted(
        self, upkeep: Upkeep, held: Held, work: Any, batcher: Batcher, queue: MemoryQueue, clock: VirtualClock
    ) -> None:
        hold = held(work)
        batcher.ask_blocking(AckDelivery(hold.delivery.receipt))
        clock.advance(7 * DAY_S - 1)
        asyncio.run(upkeep.tick())
        assert queue.get(hold.delivery.id)
        clock.advance(module.PRUNE_S)
        asyncio.run(upkeep.tick())
        assert queue.get(hold.delivery.id) is None
        assert (queue.stats().accepted, queue.stats().pruned[State.DONE]) == (1, 1)

    def test_each_thing_is_done_at_its_own_pace(
        self, upkeep: Upkeep, batcher: Batcher, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        ask = batcher.ask
        monkeypatch.setattr(batcher, "ask", lambda entry: (asked.append(type(entry).__name__), ask(entry))[1])

        async def main() -> None:
            for _ in range(61):
                await upkeep.tick()
                clock.advance(1)

        asyncio.run(main())
        assert asked.count(Prune.__name__) == 2


def test_a_death_is_passed_on(upkeep: Upkeep, deaths: list[None]) -> None:
    upkeep.deaths()

    assert len(deaths) == 1
