"""A worker process that dies: another is started, and what it ran is run again; who is innocent does not pay."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

from tests.worker_process.conftest import Place
from tests.worker_process.processes import HERE
from twolane.values.record import State


def test_a_killed_process_is_started_again_and_its_delivery_runs_again(
    place: Place, jobs: Any, start: Any
) -> None:
    worker = start("jobs:app").until_ready()
    ticket = jobs.tasks.send_blocking(jobs.gated, "gate")
    place.until_written("begin")
    os.kill(worker.child, signal.SIGKILL)
    place.until_written("begin", 2)
    place.open_gate("gate")
    record = place.until_state(ticket.id, State.DONE)
    assert (record.attempt, record.deliveries, record.crashes) == (1, 2, 1)
    assert f"worker process {worker.children()[0]} was killed by SIGKILL" in worker.log
    assert "another is started in 0.1 s" in worker.log
    assert worker.stop() == 0


def test_a_task_that_kills_its_process_dies_and_its_neighbour_does_not_pay(
    place: Place, jobs: Any, start: Any
) -> None:
    neighbour = jobs.tasks.send_blocking(jobs.gated_async, "gate")
    worker = start().until_ready()
    place.until_written("begin")
    killer = jobs.tasks.send_blocking(jobs.kills_its_process)
    place.until_written("kills")
    place.open_gate("gate")
    dead = place.until_state(killer.id, State.DEAD)
    innocent = place.until_state(neighbour.id, State.DONE)
    assert dead.reason == "crashed"
    assert len(place.journal("kills")) == 3  # one with a neighbour, free of charge, and two alone
    assert (innocent.attempt, innocent.crashes) == (1, 1)
    worker.until_logged("task kills_its_process died: crashed")
    assert "another is started in 0.4 s" in worker.log
    assert worker.stop() == 0


def test_too_many_stuck_threads_have_the_process_replaced(place: Place, jobs: Any, start: Any) -> None:
    worker = start().until_ready()
    tickets = [jobs.tasks.send_blocking(jobs.stuck) for _ in range(4)]
    for ticket in tickets:
        assert place.until_state(ticket.id, State.DEAD).reason == "timed_out"
    worker.until_ready(2)
    assert f"worker process {worker.children()[0]} asks to be replaced" in worker.log
    after = jobs.tasks.send_blocking(jobs.note, "after")
    place.until_state(after.id, State.DONE)
    assert place.journal("note")[0][0] == worker.child
    assert worker.stop() == 0


def test_timed_out_tasks_end_where_they_can(place: Place, jobs: Any, start: Any) -> None:
    worker = start().until_ready()
    tickets = [jobs.tasks.send_blocking(task) for task in (jobs.slow_async, jobs.slow_with_checkpoints)]
    for ticket in tickets:
        assert place.until_state(ticket.id, State.DEAD).reason == "timed_out"
    place.until_written("cancelled")
    place.until_written("interrupted")
    assert worker.stop() == 0


def test_an_app_that_breaks_after_the_start_is_tried_again_until_it_is_mended(
    place: Place, start: Any, tmp_path: Path
) -> None:
    shutil.copy(HERE / "jobs.py", tmp_path / "mine.py")
    worker = start("mine:tasks", app_dir=tmp_path).until_ready()
    (tmp_path / "mine.py").write_text("1 / 0")
    os.kill(worker.child, signal.SIGKILL)
    worker.until_logged("ended with exit code 4 although nobody had asked it to")
    worker.until_logged("ZeroDivisionError")
    shutil.copy(HERE / "jobs.py", tmp_path / "mine.py")
    worker.until_ready(2)
    assert worker.stop() == 0


def test_a_stop_during_the_pause_ends_the_parent(place: Place, start: Any, tmp_path: Path) -> None:
    shutil.copy(HERE / "jobs.py", tmp_path / "mine.py")
    worker = start("mine:tasks", app_dir=tmp_path).until_ready()
    (tmp_path / "mine.py").write_text("1 / 0")
    os.kill(worker.child, signal.SIGKILL)
    worker.until_logged("another is started in 1.6 s")
    assert worker.stop() == 0
