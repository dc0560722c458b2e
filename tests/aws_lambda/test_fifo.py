"""A FIFO queue behind a function: the order of a group, whatever fails, dies or takes longer than the function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.aws.servers import Server
from tests.aws_lambda.conftest import Cloud
from twolane.values.record import State


@pytest.fixture
def cloud(aws: Server, tmp_path: Path) -> Iterator[Cloud]:
    with ExitStack() as stack:
        yield Cloud(aws, tmp_path, stack, fifo=True)


@pytest.mark.parametrize("state", ["rows", "none"])
def test_a_group_runs_in_the_order_of_the_sends_whatever_fails_or_dies(
    cloud: Cloud, shop: Any, state: str
) -> None:
    alone = {"TWOLANE_STATE": "none"} if state == "none" else {}
    send = shop.tasks.send_blocking
    for text, fails in (("a1", 0), ("a2", 2), ("a3", 1), ("poison", 0), ("a4", 0)):
        send(shop.in_turn, "a", text, fails)
    for text in ("b1", "b2"):
        send(shop.in_turn, "b", text)

    source = cloud.feed(cloud.function(environment=alone))
    source.until(lambda: not cloud.place.copies("default"))

    for group, texts in (("a", ["a1", "a2", "a3", "poison", "a4"]), ("b", ["b1", "b2"])):
        ran = [(text, int(attempt)) for _, name, text, attempt in cloud.journal("in_turn") if name == group]
        assert [text for text, _ in groupby(text for text, _ in ran)] == texts, "each until it has ended"
        if state == "rows":  # without them whatever was received has used up an attempt, run or not
            assert [attempt for text, attempt in ran if text == "a2"] == [1, 2, 3] * (group == "a")
            assert [attempt for text, attempt in ran if text == "a3"] == [1, 2] * (group == "a")
            assert {attempt for text, attempt in ran if text not in ("a2", "a3")} == {1}
    [letter] = cloud.place.dead_letters("default")
    assert letter["dead"]["reason"] == "gave_up"


@pytest.mark.long
def test_what_takes_longer_than_the_function_holds_its_group_until_it_is_done(
    cloud: Cloud, imports: Any
) -> None:
    source = cloud.feed(worker := cloud.function("importer.handler", timeout_s=12))
    first = imports.tasks.send_blocking(imports.walks_in_turn, "g", 30, 0.5).id
    second = imports.tasks.send_blocking(imports.walks_in_turn, "g", 1, 0.0).id

    source.until(lambda: cloud.states([first, second]) == {State.DONE})

    assert [int(line[1]) for line in cloud.journal("step")] == [*range(30), 0], worker.log
    assert cloud.record(first).attempt == 1
    assert cloud.record(first).deliveries >= 2, "it went on in its old message"
