"""What takes longer than its function goes on in further invocations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws_lambda.conftest import Cloud
from twolane.values.record import State


@pytest.mark.long
@pytest.mark.parametrize("task", ["walks", "walks_async"])
def test_an_import_finishes_over_several_invocations(cloud: Cloud, imports: Any, task: str) -> None:
    worker = cloud.function("importer.handler", timeout_s=20)
    source = cloud.feed(worker)

    ticket = imports.tasks.send_blocking(getattr(imports, task), 60, 0.5)
    source.until(lambda: cloud.record(ticket.id).state is State.DONE)

    record = cloud.record(ticket.id)
    assert (record.id, record.result, record.attempt, record.done) == (ticket.id, 60, 1, 60), worker.log
    assert record.deliveries >= 2
    steps = [int(line[1]) for line in cloud.journal("step")]
    assert steps == list(range(60)), "each step once: it ends at its checkpoints"
    assert {each.failed for each in source.invocations} == {()}, "each part is gone when the next one is sent"
    receives = [each.records[0]["attributes"]["ApproximateReceiveCount"] for each in source.invocations]
    assert set(receives) == {"1"}, "a new message each: SQS's own count of receives begins anew"


@pytest.mark.long
def test_a_cancellation_between_two_parts_or_within_one_ends_it(cloud: Cloud, imports: Any) -> None:
    source = cloud.feed(cloud.function("importer.handler", timeout_s=20))
    ticket = imports.tasks.send_blocking(imports.walks, 1000, 0.2)
    source.until(lambda: len(source.invocations) >= 1)

    imports.tasks.cancel(ticket.id)

    source.until(lambda: cloud.record(ticket.id).state is State.CANCELLED)
    source.until(lambda: not cloud.place.copies("default"))
    steps = [int(line[1]) for line in cloud.journal("step")]
    assert steps == list(range(len(steps)))
    assert len(steps) < 1000
    assert cloud.record(ticket.id).result is None


def test_what_makes_no_progress_dies_of_its_time_out(cloud: Cloud, imports: Any) -> None:
    source = cloud.feed(cloud.function("importer.handler", timeout_s=5), visibility_s=1)

    ticket = imports.tasks.send_blocking(imports.stands)
    source.until(lambda: cloud.record(ticket.id).state is State.DEAD)

    letter = cloud.records.dead_letter(ticket.id)
    assert letter is not None
    assert letter.record.reason == "timed_out"
    assert len(cloud.journal("stands")) == 2
    assert [each.failure.error_type for each in letter.attempts] == ["TimedOut", "TimedOut"]
    assert "saved no new checkpoint" in letter.attempts[-1].failure.message


@pytest.mark.long
def test_without_a_state_store_the_message_itself_says_where_to_go_on(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, imports: Any
) -> None:
    alone = {"TWOLANE_STATE": "none"}
    source = cloud.feed(cloud.function("importer.handler", timeout_s=20, environment=alone))

    imports.tasks.send_blocking(imports.walks, 60, 0.5)
    source.until(lambda: ["step", "59", "1"] in cloud.journal("step"))
    source.until(lambda: not cloud.place.copies("default"))

    assert [int(line[1]) for line in cloud.journal("step")] == list(range(60))
    assert len(source.invocations) >= 2
