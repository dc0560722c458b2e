"""What the watch asks of a queue: who leads, what it keeps, what it looks at."""

from __future__ import annotations

import pytest

from tests.contract.house import FAILURE, House
from twolane.contracts.outbox import OweNotice, RegisterTargets, SaveTarget
from twolane.contracts.queue import AckDelivery, DeadLetterDelivery, Redrive, RetryDelivery
from twolane.contracts.upkeep import Prune, Reap
from twolane.contracts.watch import LeadWatch, ObserveConditions, Probe
from twolane.values.condition import Kind, Phase, Standing, WatchState
from twolane.values.outcome import Reason
from twolane.values.snapshot import BUCKET_S, DAY_BUCKETS, RECENT_BUCKETS, Backlog, Tally
from twolane.values.telling import LIVE_S, Notice, TargetState

HOLDING = Standing(Kind.TOO_OLD, "imports", Phase.HOLDING, 5.0, "a title", 6.0, 7.0, 2, 0.25)
PENDING = Standing(Kind.DEAD_LETTERS, "", Phase.PENDING, 8.0)


def observe(house: House, leader: str = "a", **fields: object) -> bool:
    return house.do(ObserveConditions(leader, 20.0, **fields))  # type: ignore[arg-type]


# Who leads


def test_one_leads_at_a_time(house: House) -> None:
    assert house.do(LeadWatch("a", 20.0))
    assert not house.do(LeadWatch("b", 20.0))
    assert house.do(LeadWatch("a", 20.0))
    state = house.records.watch_state()
    assert (state.leader, state.renewed_at, state.until) == ("a", house.clock.now(), house.clock.now() + 20)
    assert state.is_led(house.clock.now())


def test_a_lease_that_is_not_renewed_is_another_s(house: House) -> None:
    house.do(LeadWatch("a", 20.0))
    house.clock.advance(19)
    assert not house.do(LeadWatch("b", 20.0))
    house.clock.advance(1)
    assert not house.records.watch_state().is_led(house.clock.now())
    assert house.do(LeadWatch("b", 20.0))
    assert house.records.watch_state().leader == "b"


def test_looking_renews_the_lease(house: House) -> None:
    house.do(LeadWatch("a", 20.0))
    for _ in range(3):
        house.clock.advance(15)
        assert observe(house, looked_at=house.clock.now())
    assert not house.do(LeadWatch("b", 20.0))
    assert house.records.watch_state().looked_at == house.clock.now()


def test_who_leads_no_more_writes_nothing(house: House) -> None:
    """A leader that was stopped and comes back with what it saw before."""
    house.do(LeadWatch("a", 20.0))
    house.clock.advance(21)
    house.do(LeadWatch("b", 20.0))
    before = house.records.watch_state()

    assert not observe(house, "a", looked_at=1.0, changed=(HOLDING,))

    assert house.records.watch_state() == before


def test_whose_time_is_over_writes_nothing_although_nobody_else_leads(house: House) -> None:
    """What it saw may be hours old."""
    house.do(LeadWatch("a", 20.0))
    house.clock.advance(20)
    assert not observe(house, changed=(HOLDING,))
    assert house.records.watch_state().standings == ()


def test_the_lead_is_given_back(house: House) -> None:
    house.do(LeadWatch("a", 20.0))
    assert house.do(ObserveConditions("a", 0.0))
    assert house.do(LeadWatch("b", 20.0))


def test_a_clock_that_jumps_back_keeps_nobody_waiting(house: House) -> None:
    house.do(LeadWatch("a", 20.0))
    house.clock.advance(-3600)
    assert not observe(house)
    assert house.do(LeadWatch("b", 20.0))
    assert observe(house, "b")


# What it keeps


def test_what_is_kept_is_read_as_it_was(house: House) -> None:
    house.do(LeadWatch("a", 20.0))
    assert observe(house, looked_at=3.0, changed=(HOLDING, PENDING))
    assert house.records.watch_state().standings == (PENDING, HOLDING)
    assert house.records.snapshot().state == house.records.watch_state()


def test_what_changed_is_replaced_and_what_is_gone_is_forgotten(house: House) -> None:
    house.do(LeadWatch("a", 20.0))
    observe(house, looked_at=3.0, changed=(HOLDING, PENDING))
    begun = Standing(Kind.DEAD_LETTERS, "", Phase.HOLDING, 8.0, "another", told_at=9.0, times=1)
    assert observe(house, changed=(begun,), gone=("too_old:imports", "no:such"))
    state = house.records.watch_state()
    assert state.standings == (begun,)
    assert state.looked_at == 3.0


def test_a_probe_writes_nothing_that_is_seen(house: House) -> None:
    house.send()
    before = house.records.snapshot()
    assert house.do(Probe()) is None
    assert house.records.snapshot() == before


def test_what_is_told_is_owed_with_what_is_kept(house: House) -> None:
    """Both or neither: a kill in between neither loses a notice nor owes it twice."""
    house.do(LeadWatch("a", 20.0))
    notices = tuple(Notice(f"watch:{name}", f"title {name}", "a body") for name in ("disk", "place"))
    assert not observe(house, "b", changed=(HOLDING,), notices=notices)
    assert house.records.owed(0).total == 0

    assert observe(house, changed=(HOLDING,), notices=notices)

    owed = house.records.owed(0, whole=10)
    assert [each.notice for each in owed.first] == list(notices)
    assert {each.owed_at for each in owed.first} == {house.clock.now()}


# What it looks at


def test_an_empty_queue_shows_nothing(house: House) -> None:
    house.do(Reap())
    found = house.records.snapshot()
    assert (found.backlogs, found.workers, found.dead, found.dead_since) == ({}, (), 0, None)
    assert (found.tallies, found.disks, found.place) == ({}, (), "")
    assert found.state == WatchState()


def test_since_when_something_waits_that_could_be_received(house: House) -> None:
    begin = house.clock.now()
    house.send(queue="imports", task="app:a", delay_s=50.0, sent_at=0.0)
    house.send(queue="imports", task="app:b", delay_s=100.0)
    assert house.records.snapshot().backlogs == {"imports": Backlog(2, None)}
    house.clock.advance(120)
    house.send()
    assert house.records.snapshot().backlogs == {
        "imports": Backlog(2, begin + 50),  # not since it was sent: it was not to be received before
        "default": Backlog(1, begin + 120),
    }
    house.receive(queues=("imports",), limit=1)
    house.receive(queues=("default",))
    assert house.records.snapshot().backlogs == {"imports": Backlog(1, begin + 100)}


def test_what_is_tried_again_waits_since_its_pause_ended(house: House) -> None:
    house.send()
    house.clock.advance(1000)
    house.do(RetryDelivery(house.take().receipt, 5.0, FAILURE))
    house.clock.advance(7)
    assert house.records.snapshot().backlogs["default"].ready_since == house.clock.now() - 2


@pytest.mark.needs("knows_crashes")
def test_a_suspect_waits_too(house: House) -> None:
    house.register()
    house.send()
    house.take()
    house.crash()
    house.do(Reap())
    assert house.records.snapshot().backlogs["default"].ready_since == house.clock.now()


def test_workers_that_said_that_they_stop_are_gone(house: House) -> None:
    here = house.register("w1")
    leaving = house.register("w2", stopping=True)
    house.register("w3")
    house.unregister("w3")
    assert house.records.snapshot().workers == (here, leaving)


@pytest.mark.needs("knows_crashes")
def test_workers_that_are_alive(house: House) -> None:
    here = house.register("w1")
    leaving = house.register("w2", stopping=True)
    house.register("w3")
    house.crash("w3")
    house.do(Reap())
    assert house.records.snapshot().workers == (here, leaving)


def test_the_oldest_dead_letter(house: House) -> None:
    died_at = []
    for _ in range(3):
        house.send()
        house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))
        died_at.append(house.clock.now())
        house.clock.advance(10)
    found = house.records.snapshot()
    assert (found.dead, found.dead_since) == (3, died_at[0])
    house.do(Redrive("m1"))
    found = house.records.snapshot()
    assert (found.dead, found.dead_since) == (2, died_at[1])


def attempt(house: House, *ends: str, task: str = "app:work") -> None:
    """Attempts that end like this."""
    for end in ends:
        message_id = house.send(task=task)
        receipt = house.take().receipt
        if end == "done":
            assert house.do(AckDelivery(receipt)).held
        elif end == "dead":
            assert house.do(DeadLetterDelivery(receipt, Reason.GAVE_UP, FAILURE)).held
        else:
            assert house.do(RetryDelivery(receipt, 9000.0, FAILURE)).held
        assert house.record(message_id).task == task


def test_attempts_are_counted_by_task(house: House) -> None:
    attempt(house, "done", "done", "failed", "dead")
    attempt(house, "failed", task="app:other")
    assert house.records.snapshot().tallies == {"app:work": Tally(2, 2), "app:other": Tally(0, 1)}


def test_attempts_that_are_acked_together_are_counted(house: House) -> None:
    for number in range(5):
        house.send(task=f"app:{number % 2}")
    acks = [AckDelivery(each.receipt, result=each.id) for each in house.receive()]
    house.try_all(*acks, AckDelivery("stale"))
    house.try_all(*acks)
    assert house.records.snapshot().tallies == {"app:0": Tally(3, 0), "app:1": Tally(2, 0)}


def test_a_lost_lease_is_a_failed_attempt(house: House) -> None:
    house.send()
    house.take(lease_s=5.0)
    house.clock.advance(6)
    house.do(Reap())
    house.take(lease_s=5.0)
    house.clock.advance(6)
    house.do(Reap())
    house.take()
    assert house.records.snapshot().tallies == {"app:work": Tally(0, 2)}


@pytest.mark.needs("knows_crashes")
def test_a_crash_and_a_lost_lease_are_failed_attempts(house: House) -> None:
    house.register()
    house.send()
    house.take()
    house.crash()
    house.do(Reap())
    house.receive(lease_s=5.0)
    house.clock.advance(6)
    house.do(Reap())
    assert house.records.snapshot().tallies == {"app:work": Tally(0, 2)}


def test_attempts_grow_old(house: House) -> None:
    attempt(house, "done", "failed", "failed")
    house.clock.advance(RECENT_BUCKETS * BUCKET_S)
    attempt(house, "done")
    assert house.records.snapshot().tallies == {"app:work": Tally(2, 2)}
    house.clock.advance(BUCKET_S)
    assert house.records.snapshot().tallies == {"app:work": Tally(1, 0, 1, 2)}
    house.clock.advance((DAY_BUCKETS - 1) * BUCKET_S)
    assert house.records.snapshot().tallies == {"app:work": Tally(0, 0, 2, 2)}
    house.clock.advance(BUCKET_S)
    assert house.records.snapshot().tallies == {"app:work": Tally(0, 0, 1, 0)}


def test_what_a_clock_has_left_in_the_future_is_not_seen_and_then_forgotten(house: House) -> None:
    attempt(house, "failed")
    house.clock.advance(-2 * 3600)
    assert house.records.snapshot().tallies == {}
    house.do(Prune(keep_s=60.0))
    house.clock.advance(2 * 3600)
    assert house.records.snapshot().tallies == {}


@pytest.mark.parametrize("keep_s", [0.0, 7 * 86_400.0])
def test_what_was_counted_outlives_its_records_for_a_day(house: House, keep_s: float) -> None:
    attempt(house, "done")
    house.clock.advance(1)
    house.do(Prune(keep_s))
    assert house.records.snapshot().tallies == {"app:work": Tally(1, 0)}
    house.clock.advance(2 * 86_400)
    house.do(Prune(keep_s))
    assert house.records.snapshot().tallies == {}


def test_which_targets_owe_an_alert_since_when(house: House) -> None:
    house.do(RegisterTargets((("log", "the log"), ("1", "slack"), ("2", "slack"))))
    assert house.records.snapshot().unsent == {}
    began = house.clock.now()
    numbers = []
    for _ in range(3):
        numbers.append(house.do(OweNotice("a", "b", "c")))
        house.clock.advance(10)
    house.do(SaveTarget("log", 0, TargetState(told_to=numbers[-1])))
    house.do(SaveTarget("1", 0, TargetState(told_to=numbers[1])))
    assert house.records.snapshot().unsent == {"slack": began}
    house.do(SaveTarget("2", 0, TargetState(told_to=numbers[0])))
    assert house.records.snapshot().unsent == {"slack": began + 10}


def test_a_target_that_nobody_serves_any_more_owes_nothing(house: House) -> None:
    house.do(RegisterTargets((("1", "slack"),)))
    house.do(OweNotice("a", "b", "c"))
    house.clock.advance(LIVE_S + 1)
    assert set(house.records.snapshot().unsent) == {"slack"}  # nobody serves any: that is no reason
    house.do(RegisterTargets((("log", "the log"),)))
    assert set(house.records.snapshot().unsent) == {"the log"}
