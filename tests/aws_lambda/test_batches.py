"""Batches as no small queue makes them: groups in order, thousands of messages, events made by hand."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from tests.aws.faults import Exchange, Fault, fail
from tests.aws.proxy import proxy
from tests.aws.servers import Server
from tests.aws_lambda.conftest import Cloud, failed, sqs_event
from tests.waiting import until
from twolane.values.message import Message, MessagePolicy, encode
from twolane.values.record import State

POLICY = MessagePolicy(5, 300, 3600)


def body(number: int, task: str, **args: Any) -> str:
    return encode(Message(id_of(number), task, "default", args, 1.0, POLICY))


def id_of(number: int) -> str:
    return f"0198a000-0000-7000-8000-{number:012d}"


def test_the_first_of_a_group_that_stays_keeps_the_later_ones_waiting(cloud: Cloud) -> None:
    worker = cloud.function()
    numbers = count(1)
    bodies = [
        ("a", body(next(numbers), "note", text="a1")),
        ("b", body(next(numbers), "gives_up")),
        ("a", body(next(numbers), "fails")),
        ("a", body(next(numbers), "note", text="a3")),
        ("b", body(next(numbers), "note", text="b2")),
    ]
    event = sqs_event(*(each for _, each in bodies), queue=f"{cloud.place.name}-default.fifo")
    for record, (group, _) in zip(event["Records"], bodies, strict=True):
        record["attributes"]["MessageGroupId"] = group

    answer = worker.invoke(event)

    assert failed(answer) == [event["Records"][n]["messageId"] for n in (2, 3)], worker.log
    assert sorted(line[1] for line in cloud.journal("note")) == ["a1", "b2"], (
        "a dead one keeps nobody waiting"
    )
    assert cloud.record(id_of(2)).state is State.DEAD
    assert cloud.records.get(id_of(4)) is None, "it was never handed out"


@pytest.mark.long
def test_of_ten_thousand_what_there_was_no_time_for_comes_again(cloud: Cloud) -> None:
    worker = cloud.function(timeout_s=20)
    event = sqs_event(
        *(body(number, "note", text=f"n{number}") for number in range(10_000)),
        queue=f"{cloud.place.name}-default",
    )

    answer = worker.invoke(event)

    assert answer.error_type is None, answer.payload
    again = {int(each.rpartition("-")[2]) for each in failed(answer)}
    noted = {int(line[1][1:]) for line in cloud.journal("note")}
    assert noted, "some were run"
    assert noted | again == set(range(10_000))
    assert not noted & again, "what was run is not named, what is named was not run"


def test_what_nobody_will_start_is_given_back_while_the_others_still_run(cloud: Cloud, aws: Server) -> None:
    gate, slots = cloud.gate("gate"), 10
    with proxy(aws) as between, ThreadPoolExecutor(1) as pool:
        environment = {"AWS_ENDPOINT_URL_SQS": between.server.url}
        worker = cloud.function(timeout_s=20, environment=environment)
        event = sqs_event(
            *(body(number, "gated", gate=str(cloud.folder / "gate")) for number in range(slots)),
            *(body(number, "note", text="n") for number in range(slots, slots + 3)),
            queue=f"{cloud.place.name}-default",
        )
        invocation = pool.submit(worker.invoke, event)

        until(lambda: between.count("ChangeMessageVisibilityBatch"), "the others are given back")
        gate.open()
        answer = invocation.result()

    assert len(cloud.journal("passed")) == slots, worker.log
    assert failed(answer) == [each["messageId"] for each in event["Records"][slots:]]
    assert not cloud.journal("note")


def test_a_store_that_stands_still_keeps_no_answer_back(cloud: Cloud, aws: Server) -> None:
    goes_on = threading.Event()

    def stand_still(_: Exchange) -> None:
        if cloud.journal("note"):
            goes_on.wait()

    with proxy(aws) as between:
        for operation in ("UpdateItem", "TransactWriteItems"):
            between.faults[operation] = stand_still
        worker = cloud.function(timeout_s=4, environment={"AWS_ENDPOINT_URL_DYNAMODB": between.server.url})
        event = sqs_event(body(1, "note", text="n"), queue=f"{cloud.place.name}-default")
        try:
            answer = worker.invoke(event)
        finally:
            goes_on.set()

    assert cloud.journal("note")
    assert (answer.error_type, failed(answer)) == (None, [event["Records"][0]["messageId"]]), worker.log
    assert f"note {id_of(1)} attempt 1 is left: " in worker.log


def unreadable(*numbers: int) -> Fault:
    """DynamoDB refuses to read the rows of these messages."""
    refuse = fail(400, "AccessDeniedException")

    def fault(exchange: Exchange) -> None:
        if any(id_of(number) in exchange.body.decode() for number in numbers):
            refuse(exchange)

    return fault


def test_one_that_the_state_store_keeps_from_running_comes_again(cloud: Cloud, aws: Server) -> None:
    with proxy(aws) as between:
        between.faults["BatchGetItem"] = unreadable(2)
        worker = cloud.function(environment={"AWS_ENDPOINT_URL_DYNAMODB": between.server.url})
        event = sqs_event(
            *(body(number, "note", text=f"n{number}") for number in (1, 2)),
            queue=f"{cloud.place.name}-default.fifo",
            MessageGroupId="one after another",
        )
        answer = worker.invoke(event)

        second = event["Records"][1]["messageId"]
        assert (answer.error_type, failed(answer)) == (None, [second]), worker.log
        assert [line[1] for line in cloud.journal("note")] == ["n1"]
        assert f"message {second} of SQS is not run: reading table {cloud.place.name} failed" in worker.log

        between.faults.clear()
        assert failed(worker.invoke({"Records": event["Records"][1:]})) == []
    assert [line[1] for line in cloud.journal("note")] == ["n1", "n2"]


def test_where_nothing_at_all_could_be_run_lambda_counts_an_error(cloud: Cloud, aws: Server) -> None:
    with proxy(aws) as between:
        between.faults["BatchGetItem"] = unreadable(1, 2)
        worker = cloud.function(environment={"AWS_ENDPOINT_URL_DYNAMODB": between.server.url})
        event = sqs_event(
            *(body(number, "note", text=f"n{number}") for number in (1, 2)),
            queue=f"{cloud.place.name}-default",
        )
        answer = worker.invoke(event)

        assert answer.error_type == "AwsError", answer.payload
        assert f"reading table {cloud.place.name} failed" in answer.value["errorMessage"]
        assert not cloud.journal("note")

        between.faults.clear()
        assert failed(worker.invoke(event)) == [], "the function lives on"
    assert sorted(line[1] for line in cloud.journal("note")) == ["n1", "n2"]


def test_a_defect_of_our_own_fails_its_own_message_alone(cloud: Cloud) -> None:
    worker = cloud.function("defect.handler")
    event = sqs_event(
        *(body(number, "note", text=text) for number, text in enumerate(("breaks", "n1", "n2"))),
        queue=f"{cloud.place.name}-default",
    )

    answer = worker.invoke(event)

    first = event["Records"][0]["messageId"]
    assert (answer.error_type, failed(answer)) == (None, [first]), worker.log
    assert [line[1] for line in cloud.journal("note")] == ["breaks", "n1", "n2"]
    [said] = [json.loads(line) for line in worker.log.splitlines() if "a defect of twolane's own" in line]
    assert (said["level"], said["message"].split(" of SQS")[0]) == ("ERROR", f"message {first}")
