"""L1, L10 and L13 with real processes that die by SIGKILL."""

from __future__ import annotations

import signal

import pytest

from tests.contract.house import FAILURE, House, InSqlite
from tests.contract.processes import lines_of, start
from twolane.contracts.queue import DeadLetterDelivery
from twolane.contracts.upkeep import Reap
from twolane.values.outcome import Reason
from twolane.values.record import State


def test_l1_what_was_answered_survives_a_kill(sqlite: InSqlite, sqlite_house: House) -> None:
    killed = start(
        sqlite.path,
        """
for number in range(20):
    [[sent]] = queue.flush([Send((outgoing(f"m{number}"),))])
    say(sent.id)
die()
""",
    )

    answered = lines_of(killed)

    assert killed.returncode == -signal.SIGKILL
    assert len(answered) == 20
    assert [sqlite_house.state(message_id) for message_id in answered] == [State.WAITING] * 20


def test_l1_a_kill_in_the_middle_of_a_flush_stores_nothing_of_it(
    sqlite: InSqlite, sqlite_house: House
) -> None:
    killed = start(
        sqlite.path,
        """
queue.flush([Send((outgoing("before"),))])
queue.flush([Send((outgoing("during"),)), Send(Deadly())])
""",
    )

    assert lines_of(killed) == []
    assert killed.returncode == -signal.SIGKILL

    assert sqlite_house.state("before") is State.WAITING
    assert sqlite_house.records.get("during") is None


@pytest.mark.parametrize("last_words", ["Send(Deadly())", "Reap()"])
def test_l10_a_kill_in_or_after_a_redrive_leaves_one_copy(
    sqlite: InSqlite, sqlite_house: House, last_words: str
) -> None:
    message_id = sqlite_house.send()
    sqlite_house.do(DeadLetterDelivery(sqlite_house.take().receipt, Reason.GAVE_UP, FAILURE))

    lines_of(start(sqlite.path, f"queue.flush([Redrive({message_id!r}), {last_words}]); die()"))

    killed_inside = "Deadly" in last_words
    assert sqlite_house.state(message_id) is (State.DEAD if killed_inside else State.WAITING)
    assert sqlite_house.records.stats().accepted == 1
    assert len(sqlite_house.records.list_dead()) == killed_inside


def test_l13_processes_never_hold_the_same_message(sqlite: InSqlite, sqlite_house: House) -> None:
    sent = sorted(sqlite_house.send() for _ in range(60))
    receive = """
while deliveries := queue.flush([Receive(sys.argv[1], ("default",), None, limit=2, lease_s=60)])[0]:
    for delivery in deliveries:
        say(delivery.id)
queue.close()
"""

    processes = [start(sqlite.path, receive) for _ in range(3)]

    assert sorted(line for process in processes for line in lines_of(process)) == sent


def test_a_killed_worker_is_noticed_without_waiting_for_its_lease(
    sqlite: InSqlite, sqlite_house: House
) -> None:
    killed = start(
        sqlite.path,
        """
queue.flush([Register(WorkerInfo("w", os.getpid(), "process", ("default",), ("app:work",), 10, clock.now()))])
queue.flush([Send((outgoing("m"),))])
queue.flush([Receive("w", ("default",), None, limit=1, lease_s=60)])
die()
""",
    )
    lines_of(killed)
    assert sqlite_house.state("m") is State.RUNNING

    assert sqlite_house.do(Reap()).dead_workers == ("w",)

    delivery = sqlite_house.take()
    assert (delivery.id, delivery.alone, delivery.attempt) == ("m", True, 1)
