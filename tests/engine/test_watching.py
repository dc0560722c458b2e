"""The watch of a process: who leads, what it keeps and owes, what it does about a queue that cannot be used."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest

from tests.clock import FakeClock
from tests.contract.house import FAILURE
from twolane.backends.memory import MemoryQueue
from twolane.contracts.queue import DeadLetterDelivery, Entry, Outgoing, Receive, Send
from twolane.contracts.watch import LeadWatch
from twolane.engine.batcher import Batcher
from twolane.engine.limits import Limits
from twolane.engine.watching import Watching
from twolane.values.condition import Phase
from twolane.values.errors import QueueError, QueueMissing
from twolane.values.outcome import Reason
from twolane.values.snapshot import Premises
from twolane.values.telling import Notice
from twolane.values.thresholds import Thresholds

LIMITS = Limits()


class WatchedQueue(MemoryQueue):
    """A queue in memory.

    Attributes:
        flushed: every entry that was carried out.
        broken: what reading it raises.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.flushed: list[Entry[Any]] = []
        self.broken: Exception | None = None

    def flush(self, entries: Sequence[Entry[Any]]) -> list[Any]:
        self.flushed += entries
        return super().flush(entries)

    def watch_state(self) -> Any:
        if self.broken is not None:
            raise self.broken
        return super().watch_state()


class Several:
    """Several processes that may lead the watch of one queue, and what was owed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.queue = WatchedQueue(self.clock)
        self.batcher = Batcher(self.queue)
        self.told: list[Notice] = []
        self.premises = Premises()
        self._ids = count(1)

    def process(self) -> Watching:
        return Watching(
            self.batcher,
            self.queue,
            self.clock,
            premises=lambda: self.premises,
            thresholds=Thresholds(),
            limits=LIMITS,
            new_id=lambda: f"leader{next(self._ids)}",
            on_notices=self.told.extend,
        )

    def turns(self, *watching: Watching, seconds: float = LIMITS.watch_every_s) -> None:
        """Time passes, and each takes its turns."""
        for _ in range(round(seconds / LIMITS.watch_every_s)):
            self.clock.advance(LIMITS.watch_every_s)
            for each in watching:
                each.turn()

    def bury(self) -> None:
        """A dead letter that waits for longer than a day."""
        message = Outgoing("m1", "default", "app:work", "{}", "d", self.clock.now())
        self.batcher.ask_blocking(Send((message,)))
        [delivery] = self.batcher.ask_blocking(Receive("w", ("default",), None, 1, 60.0))
        self.batcher.ask_blocking(DeadLetterDelivery(delivery.receipt, Reason.GAVE_UP, FAILURE))
        self.clock.advance(86_400)

    @property
    def titles(self) -> list[str]:
        return [each.title.partition(" wait")[0] for each in self.told]


@pytest.fixture
def several() -> Iterator[Several]:
    made = Several()
    yield made
    made.batcher.close()


def test_one_of_many_leads(several: Several) -> None:
    processes = [several.process() for _ in range(3)]
    several.turns(*processes, seconds=60)
    assert [each.leads for each in processes] == [True, False, False]


def test_those_that_do_not_lead_write_nothing(several: Several) -> None:
    leader, other = several.process(), several.process()
    several.turns(leader)
    several.queue.flushed.clear()
    other.turn()
    assert several.queue.flushed == []


def test_another_takes_over_within_30_s_of_a_death(several: Several) -> None:
    leader, other = several.process(), several.process()
    several.turns(leader, other, seconds=60)
    died_at = several.clock.now()
    while not other.leads:
        several.turns(other)
    assert several.clock.now() - died_at <= 30


def test_a_lead_that_is_given_back_is_taken_at_the_next_turn(several: Several) -> None:
    leader, other = several.process(), several.process()
    several.turns(leader, other)
    leader.begin_stop()
    leader.run()  # the end of its thread
    assert not leader.leads
    several.turns(other)
    assert other.leads


def test_who_takes_over_goes_on_where_the_other_stopped(several: Several) -> None:
    leader, other = several.process(), several.process()
    several.bury()
    several.turns(leader, other, seconds=60)
    several.turns(other, seconds=3600)
    assert several.titles == ["1 dead letter"]
    assert several.queue.watch_state().standings[0].phase is Phase.HOLDING
    several.turns(other, seconds=86_400)
    assert several.titles == ["1 dead letter", "still: 1 dead letter"]


def test_a_leader_that_was_stopped_says_so_and_writes_nothing(
    several: Several, caplog: pytest.LogCaptureFixture
) -> None:
    """It comes back in the middle of a look, after another took over."""
    leader, other = several.process(), several.process()
    several.turns(leader, other)
    several.bury()
    several.turns(other, leader, seconds=25)  # and then it is about to be told

    def stopped_meanwhile() -> Premises:
        several.turns(leader, seconds=60)
        return Premises()

    assert other.leads
    other._premises = stopped_meanwhile
    several.clock.advance(5)
    with caplog.at_level(logging.WARNING, logger="twolane.watch"):
        other.turn()

    assert leader.leads
    assert not other.leads
    assert several.titles == ["1 dead letter"]  # by the one that leads
    assert "leads the watch no more" in caplog.text


def test_a_leader_that_was_stopped_while_nobody_else_watched_looks_anew(several: Several) -> None:
    alone = several.process()
    several.turns(alone)
    several.clock.advance(3600)
    several.turns(alone)
    assert alone.leads
    leaders = [each.leader for each in several.queue.flushed if isinstance(each, LeadWatch)]
    assert len(set(leaders)) == len(leaders) == 2


def test_what_is_owed_is_owed_with_what_is_kept(several: Several) -> None:
    """One entry: a kill in between neither loses a notice nor owes it twice."""
    several.premises = Premises(place="it lies in memory")
    leader = several.process()
    several.turns(leader)
    owing = [each for each in several.queue.flushed if getattr(each, "notices", ())]
    assert len(owing) == 1
    assert getattr(owing[0], "changed", ()) == several.queue.watch_state().standings
    assert several.titles == ["the queue will not last where it lies"]


@pytest.mark.parametrize("error", [QueueError("it is locked"), QueueMissing("it is gone")])
def test_a_queue_that_cannot_be_used_is_said_once(
    several: Several, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    leader = several.process()
    several.turns(leader)
    several.queue.broken = error
    several.turns(leader, seconds=600)
    assert caplog.text.count("cannot be watched now") == 1
    assert str(error) in caplog.text
    several.queue.broken = None
    several.turns(leader, seconds=60)
    assert leader.leads
    assert caplog.text.count("can be watched again") == 1


def test_before_there_is_a_queue_nothing_is_said(several: Several, caplog: pytest.LogCaptureFixture) -> None:
    several.queue.broken = QueueMissing("there is no queue yet")
    several.turns(several.process(), seconds=60)
    assert caplog.text == ""
    assert several.queue.flushed == []


def test_a_mistake_of_ours_does_not_end_the_watch(several: Several, caplog: pytest.LogCaptureFixture) -> None:
    several.queue.broken = ZeroDivisionError()
    leader = several.process()
    several.turns(leader)
    assert "a look of the watch failed" in caplog.text
    several.queue.broken = None
    several.turns(leader)
    assert leader.leads


def test_it_runs_in_a_thread_and_ends_when_told(several: Several) -> None:
    leader = several.process()
    leader.start()
    while not leader.leads:
        several.batcher.ask_blocking(LeadWatch("nobody", 0.0))
    leader.stop()
    leader.stop()
    assert not several.queue.watch_state().is_led(several.clock.now())


def test_a_watch_of_a_closed_queue_ends_quietly(several: Several) -> None:
    leader = several.process()
    several.turns(leader)
    several.batcher.close()
    leader.begin_stop()
    leader.run()
    assert not leader.leads
