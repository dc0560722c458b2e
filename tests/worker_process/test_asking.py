"""What the command line says of a worker that lives, and a cancellation that reaches a running task."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.worker_process.conftest import Place
from twolane.values.record import State


def twolane(*arguments: str) -> str:
    command = [sys.executable, "-m", "twolane", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_running_task_is_seen_and_cancelled(place: Place, jobs: Any, start: Any) -> None:
    worker = start("jobs:app", "--slots", "3").until_ready()
    ticket = jobs.tasks.send_blocking(jobs.goes_on)
    place.until_written("goes_on")
    stats = json.loads(twolane("stats", "--json"))
    (alive,) = stats["workers"]
    assert (alive["pid"], alive["kind"], alive["slots"]) == (worker.child, "process", 3)
    assert stats["queues"]["default"]["running"] == 1
    assert f" {worker.child} " in twolane("stats")
    assert twolane("status", ticket.id).startswith(f"running  goes_on  {ticket.id}")
    assert json.loads(twolane("cancel", ticket.id, "--json")) == {
        "id": ticket.id,
        "state": "running",
        "cancel_requested": True,
    }
    place.until_state(ticket.id, State.CANCELLED)
    assert worker.stop() == 0
