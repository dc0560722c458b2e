"""Each decision has its verb, and a settlement is tried until it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from twolane import Tasks
from twolane.backends.memory import MemoryQueue
from twolane.contracts import queue as q
from twolane.engine import settle as module
from twolane.engine.batcher import Batcher
from twolane.engine.hold import Hold
from twolane.engine.settle import entry_for, settle
from twolane.values.outcome import Ack, Cancel, Decision, Die, Failure, LetGo, Reason, Release, Retry, Wait
from twolane.values.record import State

FAILURE = Failure("ValueError", "no seats")


@pytest.fixture
def hold(tasks: Tasks, held: Callable[..., Hold]) -> Hold:
    return held(tasks.task(if_lost="alert", name="work")(lambda: None))


@pytest.mark.parametrize(
    ("decision", "entry"),
    [
        (Ack(7), q.AckDelivery("r", 7)),
        (Retry(5.0, FAILURE), q.RetryDelivery("r", 5.0, FAILURE)),
        (Wait(30.0, Reason.UNKNOWN_TASK, FAILURE), q.WaitDelivery("r", 30.0)),
        (Release(), q.ReleaseDelivery("r")),
        (Die(Reason.GAVE_UP, FAILURE, "sorry"), q.DeadLetterDelivery("r", Reason.GAVE_UP, FAILURE, "sorry")),
        (
            Die(Reason.TIMED_OUT, FAILURE),
            q.DeadLetterDelivery("r", Reason.TIMED_OUT, FAILURE, None, "timed_out"),
        ),
        (Cancel(), q.CancelDelivery("r")),
        (LetGo(), None),
    ],
    ids=lambda each: type(each).__name__,
)
def test_each_decision_has_its_verb(decision: Decision, entry: q.Entry[q.Settled] | None) -> None:
    assert entry_for(decision, "r") == entry


@pytest.mark.parametrize(
    ("decision", "state", "attempt"),
    [
        (Ack(7), State.DONE, 1),
        (Retry(5.0, FAILURE), State.WAITING, 2),
        (Wait(30.0, Reason.UNKNOWN_TASK, FAILURE), State.WAITING, 1),
        (Release(), State.WAITING, 1),
        (Die(Reason.GAVE_UP, FAILURE), State.DEAD, 1),
        (Cancel(), State.CANCELLED, 1),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_decision_is_carried_out_once(
    hold: Hold, batcher: Batcher, queue: MemoryQueue, decision: Decision, state: State, attempt: int
) -> None:
    receipt = hold.delivery.receipt
    assert asyncio.run(settle(decision, receipt, batcher, tries=1)).held
    assert not asyncio.run(settle(decision, receipt, batcher, tries=1)).held  # L4, L5
    record = queue.get(hold.delivery.id)
    assert record is not None
    assert (record.state, record.attempt) == (state, attempt)


def test_a_lost_lease_settles_nothing(hold: Hold, batcher: Batcher, queue: MemoryQueue) -> None:
    flushes = batcher.flushes
    assert not asyncio.run(settle(LetGo(), hold.delivery.receipt, batcher, tries=1)).held
    assert batcher.flushes == flushes


def test_a_stale_receipt_settles_nothing(
    hold: Hold, receive: Callable[[], Hold], batcher: Batcher, queue: MemoryQueue
) -> None:
    asyncio.run(settle(Release(), hold.delivery.receipt, batcher, tries=1))
    receive()
    assert not asyncio.run(settle(Ack(), hold.delivery.receipt, batcher, tries=1)).held
    record = queue.get(hold.delivery.id)
    assert record is not None
    assert record.state is State.RUNNING


def test_a_pause_that_was_capped_is_told(hold: Hold, batcher: Batcher) -> None:
    settled = asyncio.run(settle(Retry(1e9, FAILURE), hold.delivery.receipt, batcher, tries=1))
    assert settled.after_s == 11 * 3600


class TestAQueueThatFails:
    @pytest.fixture
    def failing(self, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
        """Let the next flushes fail."""
        monkeypatch.setattr(module, "RETRY_S", 0.0)
        flush = queue.flush

        def failing(times: int) -> None:
            left = iter(range(times))

            def fails(entries: Sequence[q.Entry[Any]]) -> list[Any]:
                if next(left, None) is not None:
                    raise OSError("disk full")
                return flush(entries)

            monkeypatch.setattr(queue, "flush", fails)

        return failing

    def test_is_tried_again(
        self,
        hold: Hold,
        batcher: Batcher,
        queue: MemoryQueue,
        failing: Callable[[int], None],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        failing(2)
        assert asyncio.run(settle(Ack(), hold.delivery.receipt, batcher, tries=3)).held
        assert "disk full); tried again in 0 s, 2 more time(s)" in caplog.text
        assert queue.stats().queues["default"].counts[State.DONE] == 1

    def test_is_given_up_in_the_end(
        self, hold: Hold, batcher: Batcher, failing: Callable[[int], None], caplog: pytest.LogCaptureFixture
    ) -> None:
        failing(3)
        assert not asyncio.run(settle(Ack(), hold.delivery.receipt, batcher, tries=3)).held
        assert "given up: the message becomes visible again when its lease ends" in caplog.text


def test_no_tries_is_a_mistake(hold: Hold, batcher: Batcher) -> None:
    with pytest.raises(ValueError, match="1 or more tries"):
        asyncio.run(settle(Ack(), hold.delivery.receipt, batcher, tries=0))
