"""A real Lambda runtime, fed from a real queue: what is sent is run, and Lambda deletes what is done."""

from __future__ import annotations

from typing import Any

from tests.aws_lambda.conftest import Cloud
from twolane.backends.sqs.workers import listed
from twolane.values.record import State
from twolane.wiring.clock import SystemClock


def test_what_is_sent_is_run_once_and_its_record_says_so(cloud: Cloud, shop: Any) -> None:
    source = cloud.feed(worker := cloud.function())
    texts = [*(f"n{number}" for number in range(20)), "x" * 500_000]

    ids = [shop.tasks.send_blocking(shop.note, text).id for text in texts]
    source.until(lambda: cloud.states(ids) == {State.DONE})

    assert sorted(line[1] for line in cloud.journal("note")) == sorted(text[:20] for text in texts)
    assert cloud.record(ids[0]).result == "n0"
    source.until(lambda: not cloud.place.visible("default") + cloud.place.in_flight("default"))
    assert [each.failed for each in source.invocations] == [()] * len(source.invocations), worker.log


def test_app_loop_and_lifespan_are_kept_from_invocation_to_invocation(cloud: Cloud, shop: Any) -> None:
    source = cloud.feed(cloud.function(), max_concurrency=1)

    for number in range(3):
        ticket = shop.tasks.send_blocking(shop.note, f"n{number}")
        source.until(lambda number=number: len(source.invocations) > number)
        assert cloud.record(ticket.id).state is State.DONE

    assert len(source.invocations) == 3
    [_, pid] = cloud.journal("lifespan-begins")[0]
    assert len(cloud.journal("lifespan-begins")) == 1
    assert {line[2] for line in cloud.journal("note")} == {pid}
    assert len({line[3] for line in cloud.journal("note")}) == 1, "one loop"


def test_a_sync_task_has_a_thread_and_what_the_lifespan_yielded(cloud: Cloud, shop: Any) -> None:
    source = cloud.feed(cloud.function())

    ticket = shop.tasks.send_blocking(shop.note_sync, "n")
    source.until(lambda: cloud.record(ticket.id).state is State.DONE)

    [[_, text, *pool, thread]] = cloud.journal("note_sync")
    assert (text, pool) == ("n", ["the", "pool"])
    assert thread.startswith("twolane-task-")


def test_what_a_task_sends_is_run_too(cloud: Cloud, shop: Any) -> None:
    source = cloud.feed(cloud.function())

    shop.tasks.send_blocking(shop.sends_on, "onwards")

    source.until(lambda: cloud.journal("note"))


def test_the_function_is_on_the_list_of_workers(cloud: Cloud, shop: Any) -> None:
    source = cloud.feed(cloud.function())
    ticket = shop.tasks.send_blocking(shop.note, "n")
    source.until(lambda: cloud.record(ticket.id).state is State.DONE)

    [worker] = listed(cloud.place.state(), SystemClock().now())

    assert (worker.kind, worker.slots, worker.queues) == ("lambda", 10, ("default",))
    assert cloud.record(ticket.id).worker == worker.id
