"""A worker process that is told to stop: what runs finishes or is given back, nothing is charged."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.absent import absent
from tests.waiting import until
from tests.worker_process.conftest import Place
from tests.worker_process.processes import lives
from twolane.values.record import State


def test_it_runs_what_was_sent_and_leaves_when_told(place: Place, jobs: Any, start: Any) -> None:
    worker = start().until_ready()
    ticket = jobs.tasks.send_blocking(jobs.note, "hello")
    place.until_state(ticket.id, State.DONE)
    assert place.journal("note")[0][0] == worker.child
    (alive,) = place.records.stats().workers
    assert (alive.kind, alive.pid, alive.slots) == ("process", worker.child, 10)
    assert worker.stop() == 0
    assert place.records.stats().workers == ()
    assert re.search(rf"note {ticket.id} attempt 1 \(queue default, [\d.]+ s\) is done", worker.log)
    assert "Traceback" not in worker.log


def test_the_apps_lifespan_is_entered_once_and_tasks_run_on_its_loop(
    place: Place, jobs: Any, start: Any
) -> None:
    worker = start("jobs:app").until_ready()
    ticket = jobs.tasks.send_blocking(jobs.on_the_pool)
    assert place.until_state(ticket.id, State.DONE).result is True
    assert worker.stop() == 0
    assert [words for _, words in place.journal("lifespan")] == [["enters"], ["exits"]]


@pytest.mark.parametrize("task", ["gated", "gated_async"])
def test_what_runs_finishes_and_nothing_new_is_begun(place: Place, jobs: Any, start: Any, task: str) -> None:
    worker = start().until_ready()
    running = jobs.tasks.send_blocking(getattr(jobs, task), "gate")
    place.until_written("begin")
    worker.signal()
    worker.until_logged("waits up to 25 s for 1 running")
    waiting = jobs.tasks.send_blocking(jobs.note, "late")
    place.open_gate("gate")
    assert worker.exit_code() == 0
    assert place.record(running.id).state is State.DONE
    assert place.record(waiting.id).state is State.WAITING


@pytest.mark.parametrize("task", ["gated", "gated_async"])
def test_what_is_not_done_within_the_grace_time_is_given_back_free_of_charge(
    place: Place, jobs: Any, start: Any, task: str
) -> None:
    worker = start("jobs:app", "--grace", "0.1").until_ready()
    ticket = jobs.tasks.send_blocking(getattr(jobs, task), "gate")
    place.until_written("begin")
    assert worker.stop() == 0
    assert place.record(ticket.id).state is State.WAITING
    start().until_ready()
    place.until_written("begin", 2)
    place.open_gate("gate")
    record = place.until_state(ticket.id, State.DONE)
    assert (record.attempt, record.deliveries, record.crashes) == (1, 2, 0)


def test_a_second_signal_does_not_wait_for_the_grace_time(place: Place, jobs: Any, start: Any) -> None:
    worker = start("jobs:app").until_ready()
    ticket = jobs.tasks.send_blocking(jobs.gated, "gate")
    jobs.tasks.send_blocking(jobs.starts_background, "other")
    place.until_written("begin", 2)
    worker.signal()
    worker.until_logged("waits up to 25 s")
    worker.signal()
    assert worker.exit_code() == 0
    assert place.record(ticket.id).state is State.WAITING
    assert "background" in worker.log
    assert "lost by the shutdown: unfinished" in worker.log


def test_a_third_signal_ends_a_process_whose_loop_is_held(place: Place, jobs: Any, start: Any) -> None:
    worker = start().until_ready()
    ticket = jobs.tasks.send_blocking(jobs.holds_the_loop, "gate")
    place.until_written("begin")
    for told in ("drains", "waits no longer", "is killed"):
        worker.signal()
        worker.until_logged(f"told to stop: worker process {worker.child} {told}")
    assert worker.exit_code() == 5
    assert "before it had given everything back" in worker.log
    place.open_gate("gate")
    start().until_ready()
    assert place.until_state(ticket.id, State.DONE).attempt == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_reaches_parent_and_child_counts_once(
    place: Place, jobs: Any, start: Any, number: int
) -> None:
    worker = start("jobs:app").until_ready()
    ticket = jobs.tasks.send_blocking(jobs.gated_async, "gate")
    place.until_written("begin")
    worker.signal_all(number)
    worker.until_logged("waits up to 25 s for 1 running")
    place.open_gate("gate")
    assert worker.exit_code() == 0
    assert place.record(ticket.id).state is State.DONE
    assert "Traceback" not in worker.log


def test_two_signals_that_reach_both_hurry(place: Place, jobs: Any, start: Any) -> None:
    worker = start("jobs:app").until_ready()
    ticket = jobs.tasks.send_blocking(jobs.gated_async, "gate")
    place.until_written("begin")
    worker.signal_all(signal.SIGINT)
    worker.until_logged("waits up to 25 s for 1 running")
    worker.signal_all(signal.SIGINT)
    assert worker.exit_code() == 0
    assert place.record(ticket.id).state is State.WAITING


def test_a_worker_whose_parent_is_killed_drains_and_leaves(place: Place, jobs: Any, start: Any) -> None:
    worker = start().until_ready()
    ticket = jobs.tasks.send_blocking(jobs.gated, "gate")
    place.until_written("begin")
    worker.signal(signal.SIGKILL)
    worker.exit_code()
    until(lambda: "the parent of this worker process is gone" in worker.log, "the child notices")
    place.open_gate("gate")
    until(lambda: not lives(worker.child), "the child leaves")
    assert place.record(ticket.id).state is State.DONE
    assert place.records.stats().workers == ()


def test_a_stop_during_the_import_does_not_wait_for_it(place: Place, start: Any, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("from jobs import *\nwrite('imports')\nwait_for('never')\n")
    worker = start("slow:tasks", app_dir=tmp_path, PYTHONPATH=_with(Path(__file__).parent))
    place.until_written("imports")
    assert worker.stop() == 0
    assert "Traceback" not in worker.log


def test_a_second_signal_during_the_apps_start_gives_it_up(place: Place, start: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import asyncio\nfrom contextlib import asynccontextmanager\nfrom fastapi import FastAPI\n"
        "from jobs import note, tasks, write\n"
        "@asynccontextmanager\nasync def lifespan(app):\n"
        "    write('starts')\n    try: await asyncio.Event().wait()\n    finally: write('cleans')\n    yield\n"
        "app = FastAPI(lifespan=lifespan)\napp.state.twolane = tasks\n"
    )
    worker = start("mine:app", app_dir=tmp_path, PYTHONPATH=_with(Path(__file__).parent))
    place.until_written("starts")
    for told in ("drains", "waits no longer"):
        worker.signal()
        worker.until_logged(told)
    assert worker.exit_code() == 0
    place.until_written("cleans")


def test_a_process_that_is_told_by_itself_is_started_again(place: Place, jobs: Any, start: Any) -> None:
    worker = start().until_ready()
    os.kill(worker.child, signal.SIGTERM)
    worker.until_ready(2)
    assert "ended with exit code 0 although nobody had asked it to" in worker.log
    assert worker.stop() == 0


def test_the_parent_stays_small(place: Place, jobs: Any, start: Any) -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        absent("no /proc on this system")
    worker = start(interpreter=True).until_ready()
    loaded = Path(f"/proc/{worker.process.pid}/maps").read_text()
    assert "pydantic_core" not in loaded
    assert "_sqlite3" not in loaded
    assert _rss_kib(worker.process.pid) < 18 * 1024
    assert _rss_kib(worker.process.pid) < _rss_kib(worker.child) / 2
    assert worker.stop() == 0


def _rss_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def _with(folder: Path) -> str:
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
