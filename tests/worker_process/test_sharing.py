"""Several processes on one queue file: who claims what, and how soon a message of another process is begun."""

from __future__ import annotations

from typing import Any

from tests.waiting import until
from tests.worker_process.conftest import Place
from twolane.values.record import State


def test_each_app_claims_only_the_names_it_knows(place: Place, jobs: Any, others: Any, start: Any) -> None:
    first = start("jobs:app").until_ready()
    second = start("others:tasks").until_ready()
    for number in range(20):
        jobs.tasks.send_blocking(jobs.note, str(number))
        others.tasks.send_blocking(others.others, str(number))
    place.until_written("note", 20)
    place.until_written("others", 20)
    assert {pid for pid, _ in place.journal("note")} == {first.child}
    assert {pid for pid, _ in place.journal("others")} == {second.child}
    assert first.stop() == second.stop() == 0


def test_a_task_that_no_worker_knows_waits_under_patience_and_dies_told(
    place: Place, others: Any, start: Any
) -> None:
    ticket = others.tasks.send_blocking(others.nobody_knows)
    worker = start("jobs:app").until_ready()
    record = place.until_state(ticket.id, State.DEAD)
    assert (record.reason, record.attempt) == ("unknown_task", 1)
    worker.until_logged("task nobody_knows died: unknown_task")
    assert f"nobody_knows {ticket.id} is not understood here (unknown_task" in worker.log
    until(lambda: place.records.stats().told_alerts == 1, "the alert is told")
    assert worker.stop() == 0


def test_queues_that_a_worker_is_not_told_to_serve_wait(place: Place, jobs: Any, start: Any) -> None:
    worker = start("jobs:app", "--queue", "default", "--slots", "1").until_ready()
    gated = jobs.tasks.send_blocking(jobs.gated, "gate")
    note = jobs.tasks.send_blocking(jobs.note, "served")
    place.until_state(note.id, State.DONE)
    assert place.record(gated.id).state is State.WAITING
    (alive,) = place.records.stats().workers
    assert (alive.queues, alive.slots) == (("default",), 1)
    assert worker.stop() == 0


def test_a_message_of_another_process_is_begun_at_once(place: Place, jobs: Any, start: Any) -> None:
    """By a datagram: the slow poll would come in an hour."""
    start(POLL_S="3600").until_ready()
    for number in range(1, 22):
        jobs.tasks.send_blocking(jobs.note, str(number))
        place.until_written("note", number)
