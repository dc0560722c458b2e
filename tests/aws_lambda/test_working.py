"""A real Lambda runtime, fed from a real queue: what is sent is run, and Lambda deletes what is done."""

from __future__ import annotations

import json
import signal
import threading
from typing import Any

from tests.aws.faults import Exchange, delay
from tests.aws.proxy import proxy
from tests.aws.runtime_api import Function
from tests.aws.servers import Server
from tests.aws_lambda.conftest import Cloud, sqs_event
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
    source.until(lambda: not cloud.place.copies("default"))
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


def test_a_log_line_is_json_with_the_request_and_the_delivery(cloud: Cloud, shop: Any) -> None:
    source = cloud.feed(worker := cloud.function())
    ticket = shop.tasks.send_blocking(shop.note, "n")
    source.until(lambda: source.invocations)

    lines = [json.loads(line) for line in worker.log.splitlines() if line.startswith("{")]
    [told] = [line for line in lines if line.get("id") == ticket.id]

    assert source.invocations[0].answer is not None
    assert told["requestId"] == source.invocations[0].answer.request_id
    assert (told["task"], told["attempt"], told["became"]) == ("note", 1, "ack")
    assert told["level"] == "INFO"


def retired(cloud: Cloud, shop: Any, **environment: str) -> Function:
    """A function that has done something, and was told to go."""
    worker = cloud.function(shutdown_s=30.0, environment={"LEAVE_S": "10", **environment})
    source = cloud.feed(worker)
    shop.tasks.send_blocking(shop.note, "n")
    source.until(lambda: source.invocations)
    [sandbox] = worker.sandboxes

    worker.retire()

    assert sandbox.process.returncode == -signal.SIGTERM, "it did not go by itself"
    return worker


def test_the_lifespan_ends_where_lambda_says_that_it_takes_the_sandbox_away(cloud: Cloud, shop: Any) -> None:
    worker = retired(cloud, shop)

    assert cloud.journal("lifespan-ends"), worker.log
    assert "did not end as it should" not in worker.log
    assert listed(cloud.place.state(), SystemClock().now()) == ()


def test_a_lifespan_that_raises_at_its_end_is_told(cloud: Cloud, shop: Any) -> None:
    worker = retired(cloud, shop, LIFESPAN_ENDING="the pool is gone")

    assert "the app's lifespan did not end as it should" in worker.log
    assert "RuntimeError: the pool is gone" in worker.log


def test_a_lifespan_that_does_not_end_in_time_is_told(cloud: Cloud, shop: Any, aws: Server) -> None:
    goes_on = threading.Event()

    def stand_still(exchange: Exchange) -> None:
        if b"worker/" in exchange.body and cloud.journal("note"):
            goes_on.wait()

    with proxy(aws) as between:
        between.faults["BatchExecuteStatement"] = stand_still
        try:
            worker = retired(cloud, shop, LEAVE_S="0.5", AWS_ENDPOINT_URL_DYNAMODB=between.server.url)
        finally:
            goes_on.set()

    assert "the app's lifespan did not end as it should" in worker.log
    assert "TimeoutError: not over after 0.5 s" in worker.log


def test_a_death_is_told_by_the_function_itself(cloud: Cloud, shop: Any) -> None:
    source = cloud.feed(worker := cloud.function())
    ticket = shop.tasks.send_blocking(shop.gives_up)
    source.until(lambda: source.invocations)

    alerts = [json.loads(line) for line in worker.log.splitlines() if '"twolane.alert"' in line]

    assert ticket.id in str(alerts)


def test_where_all_goes_well_sqs_is_asked_nothing_and_has_no_client(
    cloud: Cloud, shop: Any, aws: Server
) -> None:
    with proxy(aws) as between:
        environment = {"AWS_ENDPOINT_URL_SQS": between.server.url}
        source = cloud.feed(worker := cloud.function("counted.handler", environment=environment))

        ids = [shop.tasks.send_blocking(shop.note, f"n{number}").id for number in range(5)]
        source.until(lambda: cloud.states(ids) == {State.DONE})
        source.until(lambda: not cloud.place.copies("default"))

        assert {line[1] for line in cloud.journal("client")} == {"dynamodb"}, worker.log
        assert between.operations == []

        before = len(source.invocations)
        dead = shop.tasks.send_blocking(shop.gives_up).id
        source.until(lambda: len(source.invocations) > before)  # its death is behind it then, and told
        assert cloud.states([dead]) == {State.DEAD}
        assert "sqs" in {line[1] for line in cloud.journal("client")}, "a client would have been seen"
        assert between.count("SendMessageBatch") == 1, "and a request too"


def test_blobs_of_what_is_done_are_tagged_before_the_sandbox_stands_still(
    cloud: Cloud, shop: Any, aws: Server
) -> None:
    with proxy(aws) as between:
        between.faults["PUT object"] = delay(2.0)
        worker = cloud.function(environment={"AWS_ENDPOINT_URL_S3": between.server.url})
        source = cloud.feed(worker)

        shop.tasks.send_blocking(shop.note, "x" * 500_000)
        source.until(lambda: source.invocations)

        assert between.count("PUT object") == 1, worker.log
        assert cloud.tags() == [{"twolane": "done"}]


def test_what_may_take_longer_than_the_function_is_said_once_by_task(cloud: Cloud, shop: Any) -> None:
    event = sqs_event("no envelope", queue=f"{cloud.place.name}-default")
    short, long = cloud.function(timeout_s=20), cloud.function(timeout_s=400)
    for worker in (short, short, long):
        assert worker.invoke(event).error_type is None, worker.log

    lines = [json.loads(line) for line in short.log.splitlines() if "this function ends after" in line]

    said = {line["message"].split()[1]: line["level"] for line in lines}
    assert len(said) == len(lines) == len(shop.tasks.registry.queue_tasks())
    assert (said["note"], said["note_sync"]) == ("WARNING", "INFO"), (
        "one that has a context may save checkpoints"
    )
    assert "this function ends" not in long.log
