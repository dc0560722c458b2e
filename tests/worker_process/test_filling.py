"""Parameters that the worker fills, in a worker process of its own: the app's state and overrides, and what a task sends."""

from __future__ import annotations

from typing import Any

from tests.worker_process.conftest import Place
from twolane.values.record import State


def test_a_task_has_the_apps_dependencies_and_sends_others(place: Place, jobs: Any, start: Any) -> None:
    worker = start("jobs:app").until_ready()
    sent = jobs.tasks.send_blocking(jobs.sends, "hello").id
    record = place.until_state(sent, State.DONE)
    place.until_written("note")
    place.until_written("after")
    assert worker.stop() == 0
    assert record.result == ["the-pool", "the-override"]
    assert [rest for _, rest in place.journal("closed")] == [[sent]]
    assert place.journal("note")[0][1][0] == "hello"
