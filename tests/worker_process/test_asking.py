"""What the command line says of a worker that lives, and a cancellation that reaches a running task."""

from __future__ import annotations

import json
import os
from typing import Any

from tests import forks
from tests.worker_process.conftest import Place
from twolane.values.record import State


def twolane(*arguments: str) -> str:
    done = forks.run("twolane", *arguments, environment=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
