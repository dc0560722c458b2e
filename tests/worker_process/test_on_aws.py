"""The same app on SQS, S3 and DynamoDB by environment variables and nothing else: a real worker process."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.aws.places import Place as AwsPlace
from tests.aws.places import bucket
from tests.aws.servers import Server
from tests.waiting import until
from tests.worker_process.conftest import Place
from tests.worker_process.processes import Worker
from twolane.cli.commands import app as cli
from twolane.values.record import State
from twolane.wiring.clock import SystemClock


@pytest.fixture
def cloud(aws: Server) -> Iterator[AwsPlace]:
    place = AwsPlace(aws, queues=("default", "gated"))
    yield place
    place.close()


@pytest.fixture
def place(place: Place, cloud: AwsPlace, aws: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The place of the other tests, moved to AWS."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TWOLANE_QUEUE", f"{cloud.address}?poll_s=1")
    monkeypatch.setenv("TWOLANE_STATE", f"dynamodb://{cloud.name}")
    monkeypatch.setenv("TWOLANE_BLOBS", str(bucket(aws).bucket))
    monkeypatch.setenv("TWOLANE_ALERTS", "log")
    place.records.close()
    place.records = cloud.records(SystemClock())  # type: ignore[assignment]
    return place


def test_what_is_sent_is_run_once_and_its_record_says_so_large_arguments_too(
    place: Place, start: Callable[..., Worker], jobs: Any
) -> None:
    start().until_ready()

    texts = [*(f"n{number}" for number in range(10)), "x" * 500_000]
    ids = [jobs.tasks.send_blocking(jobs.note, text).id for text in texts]

    for message_id in ids:
        place.until_state(message_id, State.DONE)
    assert sorted(rest[0] for _, rest in place.journal("note")) == sorted(texts)


def test_a_death_is_told_kept_and_sent_back_by_the_command_line(
    place: Place, start: Callable[..., Worker], jobs: Any, cloud: AwsPlace
) -> None:
    worker = start().until_ready()

    ticket = jobs.tasks.send_blocking(jobs.slow_async)

    place.until_state(ticket.id, State.DEAD)
    worker.until_logged("task slow_async died: timed_out")
    [copy] = cloud.dead_letters("default")
    assert copy["dead"]["reason"] == "timed_out"
    assert json.loads(copy["body"])["id"] == ticket.id
    listed = CliRunner().invoke(cli, ["dead", "list", "--json"])
    assert ticket.id in listed.output, listed.output

    redriven = CliRunner().invoke(cli, ["dead", "redrive", ticket.id])

    assert redriven.exit_code == 0, redriven.output
    until(lambda: len(place.journal("cancelled")) == 2, "a second death")
    place.until_state(ticket.id, State.DEAD)


def test_the_command_line_says_what_holds_and_counts(place: Place, jobs: Any, cloud: AwsPlace) -> None:
    jobs.tasks.send_blocking(jobs.note, "n")

    doctor = CliRunner().invoke(cli, ["doctor", "--json"])
    stats = CliRunner().invoke(cli, ["stats", "--json"])

    assert doctor.exit_code == 0, doctor.output
    told = json.loads(doctor.output)
    assert told["settings"]["state"]["value"] == cloud.name
    assert told["queue"]["usable"]
    assert not told["queue"]["can"]["knows_crashes"]
    assert told["kinds"]["default"].startswith("standard (no order")
    assert f"{cloud.name}-default-dead, moved there by SQS after 1000 receives" in told["kinds"]["default"]
    assert json.loads(stats.output)["queues"]["default"]["waiting"] == 1


def test_a_stop_releases_what_does_not_end_and_loses_nothing(
    place: Place, start: Callable[..., Worker], jobs: Any, tmp_path: Path
) -> None:
    worker = start("jobs:tasks", "--grace", "0").until_ready()
    ticket = jobs.tasks.send_blocking(jobs.gated_async, "gate")
    place.until_written("begin")

    worker.signal(signal.SIGTERM)
    worker.exit_code()

    record = place.until_state(ticket.id, State.WAITING)
    assert record.attempt == 1
    place.open_gate("gate")
    start().until_ready()
    place.until_state(ticket.id, State.DONE)
