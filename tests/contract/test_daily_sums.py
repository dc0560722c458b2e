"""What each task did on each day: kept beside the records, and longer."""

from __future__ import annotations

import pytest

from tests.contract.house import FAILURE, LEASE_S, House, InSqlite
from twolane.contracts.queue import (
    AckDelivery,
    CancelDelivery,
    DeadLetterDelivery,
    ReleaseDelivery,
    RetryDelivery,
    Send,
    WaitDelivery,
)
from twolane.contracts.upkeep import Prune, Reap
from twolane.values.errors import SendRefused
from twolane.values.outcome import Reason
from twolane.values.record import DAY_S, SUMS_KEPT_DAYS, DailySum

pytestmark = pytest.mark.needs("sums")


def today(house: House) -> int:
    return int(house.clock.now() // DAY_S)


def sums(house: House) -> list[DailySum]:
    return house.records.daily_sums(0)


def test_what_was_sent_and_how_large(house: House) -> None:
    house.send(body="12345")
    house.send(body="12345", size_bytes=1005, blobs=("b",))
    house.send(task="app:other")

    assert sums(house) == [
        DailySum("app:other", today(house), sent=1, sent_bytes=2),
        DailySum("app:work", today(house), sent=2, sent_bytes=1010),
    ]


def test_many_of_one_flush_are_one_sum(house: House) -> None:
    house.try_all(*(Send((house.outgoing(),)) for _ in range(25)))
    deliveries = house.receive()
    house.clock.advance(2)
    house.try_all(*(AckDelivery(each.receipt, result=number) for number, each in enumerate(deliveries)))

    [summed] = sums(house)
    assert (summed.sent, summed.done, summed.failed, summed.dead) == (25, 25, 0, 0)
    assert summed.run_s == pytest.approx(50)


def test_failures_retries_and_deaths(house: House) -> None:
    house.send()
    house.do(RetryDelivery(house.take().receipt, 0.0, FAILURE))
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))

    [summed] = sums(house)
    assert (summed.done, summed.failed, summed.dead, summed.retries) == (0, 2, 1, 1)
    assert summed.run_s == pytest.approx(2 * (FAILURE.ended_at - FAILURE.started_at))


def test_a_lost_lease_is_a_failed_attempt(house: House) -> None:
    house.send()
    house.take()
    house.clock.advance(LEASE_S + 1)
    house.do(Reap())

    [summed] = sums(house)
    assert (summed.failed, summed.dead) == (1, 0)
    assert summed.run_s == pytest.approx(LEASE_S + 1)


@pytest.mark.needs("knows_crashes")
def test_a_crash_is_a_failed_attempt(house: House) -> None:
    house.register()
    house.send()
    house.take()
    house.crash()
    house.do(Reap())

    assert [(each.failed, each.dead) for each in sums(house)] == [(1, 0)]


def test_what_used_up_no_attempt_is_not_counted(house: House) -> None:
    house.send()
    house.do(WaitDelivery(house.take().receipt, 0.0))
    house.do(ReleaseDelivery(house.take().receipt))
    house.do(CancelDelivery(house.take().receipt))

    assert [(each.done, each.failed, each.dead, each.run_s) for each in sums(house)] == [(0, 0, 0, 0.0)]


def test_what_is_refused_stale_or_there_already_is_not_counted(house: House) -> None:
    house.send(id="one", digest="a")
    refused = Send((house.outgoing(id="one", digest="b"),))
    large = Send((house.outgoing(body="x" * (house.queue.max_body_bytes + 1)),))
    again = Send((house.outgoing(id="one", digest="a"),))
    house.send(id="keyed", unique_key="k", digest="k")
    twin = Send((house.outgoing(unique_key="k"),))
    answers = house.try_all(refused, large, again, twin, Send((house.outgoing(),)), AckDelivery("1.stale"))

    assert [isinstance(each, SendRefused) for each in answers] == [True, True, False, False, False, False]
    assert [(each.sent, each.done) for each in sums(house)] == [(3, 0)]


def test_an_ack_whose_sends_are_refused_is_not_counted(house: House) -> None:
    house.send(id="one", digest="a")
    receipt = house.take().receipt
    house.send(id="two", digest="a")
    [answer] = house.try_all(AckDelivery(receipt, sends=(house.outgoing(id="two", digest="b"),)))

    assert isinstance(answer, SendRefused)
    assert [(each.sent, each.done) for each in sums(house)] == [(2, 0)]


def test_what_a_task_sends_is_counted_with_its_ack(house: House) -> None:
    house.send()
    house.do(AckDelivery(house.take().receipt, sends=(house.outgoing(task="app:other", size_bytes=7),)))

    assert [(each.task, each.sent, each.sent_bytes, each.done) for each in sums(house)] == [
        ("app:other", 1, 7, 0),
        ("app:work", 1, 2, 1),
    ]


def test_each_day_has_its_own_and_they_outlive_the_records(house: House) -> None:
    house.send()
    first = today(house)
    house.do(AckDelivery(house.take().receipt))
    house.clock.advance(8 * DAY_S)
    house.send()
    house.do(Prune(keep_s=7 * DAY_S))

    assert [(each.day, each.sent) for each in sums(house)] == [(first, 1), (first + 8, 1)]
    assert [each.day for each in house.records.daily_sums(first + 1)] == [first + 8]
    house.clock.advance((SUMS_KEPT_DAYS - 8) * DAY_S)
    house.do(Prune(keep_s=7 * DAY_S))
    assert [each.day for each in sums(house)] == [first, first + 8]
    house.clock.advance(DAY_S)
    house.do(Prune(keep_s=7 * DAY_S))
    assert [each.day for each in sums(house)] == [first + 8]


def test_a_count_that_cannot_be_written_costs_no_message(sqlite: InSqlite, sqlite_house: House) -> None:
    sqlite_house.send()
    import sqlite3

    with sqlite3.connect(sqlite.path) as shell:
        shell.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON daily_sums BEGIN SELECT RAISE(ABORT, 'no more sums'); END"
        )
    shell.close()
    sqlite_house.send()
    sqlite_house.do(AckDelivery(sqlite_house.receive()[0].receipt))

    assert sqlite_house.records.stats().accepted == 2
    assert [(each.sent, each.done) for each in sums(sqlite_house)] == [(1, 0)]
