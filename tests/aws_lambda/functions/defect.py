"""A function in which twolane itself has a defect: whatever is called `breaks` is not settled."""

from __future__ import annotations

import json

from shop import tasks

import twolane.aws_lambda
from twolane.contracts.queue import Delivery


def observe(step: str, delivery: Delivery) -> None:
    if step == "settle" and json.loads(delivery.body)["args"] == {"text": "breaks"}:
        raise ZeroDivisionError


tasks.runtime.observer = observe

handler = twolane.aws_lambda.handler("shop:tasks", concurrency=1)
