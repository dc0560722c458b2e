"""FastAPI itself in Lambda, by the real Mangum: what runs after an answer elsewhere runs before it, and that is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.aws_lambda.conftest import Cloud
from twolane.values.record import State


def request(path: str, query: str) -> dict[str, Any]:
    """An event of an HTTP API, format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "api.example.com", "content-length": "0"},
        "requestContext": {
            "http": {"method": "POST", "path": path, "sourceIp": "192.0.2.1", "protocol": "HTTP/1.1"},
            "stage": "$default",
        },
        "body": "",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("inline", ["", "1"])
def test_both_lanes_go_before_the_answer_is_returned(cloud: Cloud, inline: str) -> None:
    api = cloud.function("api.handler", environment={"INLINE": inline})

    answer = api.invoke(request("/people", "name=ada"))

    assert answer.error_type is None, api.log
    assert answer.value["statusCode"] == 200, api.log
    assert cloud.journal("greets") == [["greets", "ada"]]
    assert cloud.record(json.loads(answer.value["body"])["id"]).state is State.WAITING
    said = api.log.count("this app runs in Lambda function worker")
    assert said == (0 if inline else 1)
    if not inline:
        assert "perhaps for ever (Web Adapter): greets. Accept" in api.log
        api.invoke(request("/people", "name=bo"))
        assert api.log.count("this app runs in Lambda function") == 1
