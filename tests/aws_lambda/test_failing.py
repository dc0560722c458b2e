"""What goes wrong in a batch, and what becomes of it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.aws_lambda.conftest import Cloud, failed, sqs_event
from tests.waiting import until
from twolane.values.record import State


def test_outcomes_of_every_kind_in_one_batch(cloud: Cloud, shop: Any) -> None:
    send = shop.tasks.send_blocking
    done, later = send(shop.note, "n").id, send(shop.later).id
    fails, gives_up = send(shop.fails).id, send(shop.gives_up).id
    cloud.place.sqs.client.send_message(QueueUrl=cloud.place.urls["default"], MessageBody="poison")
    unknown = {
        "v": 1,
        "id": "0198a000-0000-7000-8000-000000000001",
        "task": "nobody",
        "queue": "default",
        "args": {},
    }
    unknown |= {"sent_at": 1.0, "policy": {"max_attempts": 5, "timeout_s": 300, "patience_s": 3600}}
    cloud.place.sqs.client.send_message(QueueUrl=cloud.place.urls["default"], MessageBody=json.dumps(unknown))

    source = cloud.feed(worker := cloud.function(), batch_size=10, window_s=2.0)
    source.until(lambda: cloud.states([done, later, gives_up]) == {State.DONE, State.DEAD})

    assert cloud.record(done).state is State.DONE, worker.log
    assert cloud.record(later).attempt == 2
    assert cloud.record(gives_up).reason == "gave_up"
    waiting = cloud.record(fails)
    assert (waiting.state, waiting.attempt > 1) == (State.WAITING, True)
    assert cloud.record(unknown["id"]).state is State.WAITING, "under patience"
    dead = cloud.place.dead_letters("default")
    assert sorted(letter["dead"]["reason"] for letter in dead) == ["gave_up", "unreadable"]
    first = source.invocations[0]
    assert first.answer is not None
    assert first.answer.error_type is None


def test_a_process_that_dies_with_its_batch_loses_nothing(cloud: Cloud, shop: Any) -> None:
    gate = cloud.gate("gate")
    worker = cloud.function(
        timeout_s=8
    )  # a lease is a little longer, and nobody runs its message before it is over
    source = cloud.feed(worker, visibility_s=2, max_concurrency=1)
    ids = [shop.tasks.send_blocking(shop.gated, str(cloud.folder / "gate")).id for _ in range(3)]
    source.until(lambda: cloud.journal("gated"))

    worker.busy[0].kill()
    begun = cloud.journal("gated")
    assert not cloud.journal("passed")
    gate.open()
    source.until(lambda: cloud.states(ids) == {State.DONE})

    assert source.invocations[0].answer is not None
    assert source.invocations[0].answer.error_type == "Runtime.ExitError"
    assert len(cloud.journal("passed")) == 3, worker.log
    assert len(cloud.journal("gated")) == 3 + len(begun), "what the process had begun was begun again, once"
    used_up = sum(cloud.record(each).attempt == 2 for each in ids)
    assert len(begun) <= used_up <= 3, "one that was handed out as the process died may not have begun"


def test_a_function_that_times_out_fails_its_batch_and_an_attempt_is_used_up(cloud: Cloud, shop: Any) -> None:
    worker = cloud.function(timeout_s=5)
    source = cloud.feed(worker, visibility_s=6)
    ticket = shop.tasks.send_blocking(shop.hangs)

    source.until(lambda: cloud.record(ticket.id).state is State.DEAD)

    assert cloud.record(ticket.id).reason == "timed_out"
    assert len(cloud.journal("hangs")) == 2


def test_a_start_that_fails_keeps_the_messages(cloud: Cloud, shop: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "import twolane.aws_lambda\nhandler = twolane.aws_lambda.handler('nothere:app')\n"
    )
    worker = cloud.function("broken.handler", folder=tmp_path)
    source = cloud.feed(worker)

    ticket = shop.tasks.send_blocking(shop.note, "n")
    source.until(lambda: source.invocations)

    [invocation] = source.invocations[:1]
    assert invocation.answer is not None
    assert "there is no module 'nothere'" in invocation.answer.value["errorMessage"]
    assert invocation.is_whole_failure
    assert cloud.record(ticket.id).state is State.WAITING


def test_what_is_no_event_of_sqs_is_an_error_that_says_so(cloud: Cloud) -> None:
    worker = cloud.function()

    for event, said in (
        ({"httpMethod": "GET"}, "takes events of SQS, and got an object with httpMethod"),
        (sqs_event("a", queue="another"), "of queue another, which is none of this app's"),
    ):
        answer = worker.invoke(event)
        assert answer.error_type == "UsageError"
        assert said in answer.value["errorMessage"]


def test_a_message_twice_in_one_event_is_run_once(cloud: Cloud, shop: Any) -> None:
    shop.tasks.send_blocking(shop.note, "n")
    [message] = cloud.place.sqs.client.receive_message(QueueUrl=cloud.place.urls["default"])["Messages"]
    event = sqs_event(message["Body"], message["Body"], queue=f"{cloud.place.name}-default")
    event["Records"][1]["messageId"] = event["Records"][0]["messageId"]
    worker = cloud.function()

    assert failed(worker.invoke(event)) == []
    assert failed(worker.invoke(event)) == [], "its record says that it is done: Lambda may delete it"

    assert len(cloud.journal("note")) == 1


def test_a_copy_of_what_runs_elsewhere_stays(cloud: Cloud, shop: Any) -> None:
    gate = cloud.gate("gate")
    shop.tasks.send_blocking(shop.gated, str(cloud.folder / "gate"))
    [message] = cloud.place.sqs.client.receive_message(QueueUrl=cloud.place.urls["default"])["Messages"]
    event = sqs_event(message["Body"], queue=f"{cloud.place.name}-default")
    copy = sqs_event(message["Body"], queue=f"{cloud.place.name}-default")
    copy["Records"][0]["messageId"] = "00000000-0000-4000-8000-00000000c09e"
    worker = cloud.function(timeout_s=300)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(worker.invoke, event)
        try:
            until(lambda: cloud.journal("gated"), "the gated task runs")
            assert failed(worker.invoke(copy)) == [copy["Records"][0]["messageId"]], worker.log
        finally:
            gate.open()
        assert failed(first.result()) == []

    assert failed(worker.invoke(copy)) == [], "it has ended: Lambda may delete the copy"
    assert len(cloud.journal("gated")) == len(cloud.journal("passed")) == 1
