"""The lock files of workers, and what a death in their midst means."""

from __future__ import annotations

import pytest

from tests.backends.sqlite.house import LEASE_S, House
from twolane.backends.sqlite.liveness import workers_folder
from twolane.contracts.queue import Extend, SaveCheckpoint
from twolane.contracts.upkeep import Reap, Reaped, Register, Unregister
from twolane.values.errors import QueueError
from twolane.values.outcome import Reason
from twolane.values.record import State


def files(house: House) -> list[str]:
    return sorted(path.name for path in workers_folder(house.path).iterdir())


def test_a_worker_shows_itself_as_long_as_it_is_registered(house: House) -> None:
    info = house.register("w1")
    worker = house._workers["w1"]

    assert files(house) == ["w1.lock"]
    assert house.do(Reap()) == Reaped()
    assert worker.flush([Register(info)]) == [None]
    assert house.records.stats().workers == (info,)
    assert worker.flush([Unregister("w1")]) == [None]
    assert files(house) == []
    assert house.records.stats().workers == ()


def test_a_worker_that_is_dead_is_not_shown_and_leaves_no_file(house: House) -> None:
    house.register("w1")
    house.register("w2")

    assert house.crash("w1").dead_workers == ("w1",)

    assert files(house) == ["w2.lock"]
    assert [worker.id for worker in house.records.stats().workers] == ["w2"]


def test_reading_shows_a_death_before_anybody_reaps(house: House) -> None:
    house.register("w1")
    house._workers["w1"]._liveness.abandon()

    assert house.records.stats().workers == ()


def test_an_id_serves_one_worker_at_a_time(house: House) -> None:
    info = house.register("w1")

    [answer] = house.queue.flush([Register(info)])

    assert isinstance(answer, QueueError)
    assert "new id" in str(answer)


@pytest.mark.parametrize("worker", ["", "../x", "a/b", ".", "x" * 200, "ü"])
def test_an_id_that_is_no_file_name_is_refused(house: House, worker: str) -> None:
    with pytest.raises(QueueError, match="worker's id"):
        house.register(worker)


def test_a_file_without_a_worker_is_swept(house: House) -> None:
    house.register("w1")
    (workers_folder(house.path) / "old.lock").touch()

    house.do(Reap())

    assert files(house) == ["w1.lock"]


def test_a_dead_workers_expired_lease_counts_as_a_crash(house: House) -> None:
    message_id = house.send(max_attempts=1)
    house.register()
    house.take()
    house.clock.advance(10 * LEASE_S)

    assert house.crash() == Reaped(("w",), freed=1, suspects=1)

    record = house.record(message_id)
    assert (record.state, record.crashes, record.attempt) == (State.WAITING, 1, 1)


def test_the_innocent_pay_nothing_and_the_guilty_dies(house: House) -> None:
    """Ten neighbours and one that kills its process whenever it runs."""
    innocent = {house.send() for _ in range(10)}
    guilty = house.send(max_attempts=2)
    crashes = 0
    for number in range(100):
        house.register(f"w{number}")
        deliveries = house.receive(worker=f"w{number}")
        if not deliveries:
            break
        if guilty in {delivery.id for delivery in deliveries}:
            house.crash(f"w{number}")
            crashes += 1
        else:
            [only] = deliveries
            assert only.alone
            assert house.do(SaveCheckpoint(only.receipt, 1)).cleared
            house._workers[f"w{number}"].flush([Unregister(f"w{number}")])
            house.do(Extend((only.receipt,), LEASE_S))
            house.clock.advance(1)
            innocent.discard(only.id)
            house.receive(worker="other", idle=False)

    record = house.record(guilty)
    assert (record.state, record.reason, crashes) == (State.DEAD, Reason.CRASHED, 3)
    assert innocent == set()
