"""An app on a local AWS whose work is done by a local Lambda."""

from __future__ import annotations

import importlib
import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.aws.event_source import EventSource, event_source
from tests.aws.places import Place, bucket, service
from tests.aws.runtime_api import Function, Settings, function
from tests.aws.servers import Server
from tests.forks import ROOT
from tests.gates import Gate
from twolane.values.record import Record, State
from twolane.wiring.clock import SystemClock

FUNCTIONS = Path(__file__).with_name("functions")


class Cloud:
    """The queues, the table, the bucket and the functions of one test."""

    def __init__(self, server: Server, folder: Path, stack: ExitStack, *, fifo: bool = False) -> None:
        self.place = Place(server, fifo=fifo)
        self.folder = folder
        self.journal_file = folder / "journal"
        self.journal_file.touch()
        self.records = self.place.records(SystemClock())
        self.blobs = bucket(server).bucket
        self._server = server
        self._stack = stack
        self.environment = {
            **server.environment,
            "TWOLANE_QUEUE": str(self.place.address),
            "TWOLANE_STATE": f"dynamodb://{self.place.name}",
            "TWOLANE_BLOBS": str(self.blobs),
            "TWOLANE_ALERTS": "log",
            "JOURNAL": str(self.journal_file),
            "PYTHONPATH": str(ROOT),
        }

    def gate(self, name: str) -> Gate:
        """A gate in the test's folder, closed with it."""
        return self._stack.enter_context(closing(Gate(self.folder / name)))

    def function(self, handler: str = "worker.handler", **options: Any) -> Function:
        options["environment"] = {**self.environment, **options.get("environment", {})}
        made = Settings(handler, options.pop("folder", FUNCTIONS), **options)
        return self._stack.enter_context(function(made, self.folder / f"log-{secrets.token_hex(4)}"))

    def feed(
        self, worker: Function, queue: str = "default", *, visibility_s: int = 60, **options: Any
    ) -> EventSource:
        """An event source of a queue; real queues have six times the function's time-out."""
        client, url = self.place.sqs.client, self.place.urls[queue]
        client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(visibility_s)})
        return self._stack.enter_context(event_source(worker, client, url, **options))

    def journal(self, *first: str) -> list[list[str]]:
        """The lines of the tasks, those that begin with a word."""
        lines = [line.split() for line in self.journal_file.read_text().splitlines()]
        return [line for line in lines if not first or line[0] in first]

    def record(self, message_id: str) -> Record:
        found = self.records.get(message_id)
        assert found is not None
        return found

    def tags(self) -> list[dict[str, str]]:
        """The tags of each blob."""
        s3 = service("s3", self._server)
        lies = s3.client.list_objects_v2(Bucket=self.blobs.name).get("Contents", [])
        found = [s3.client.get_object_tagging(Bucket=self.blobs.name, Key=each["Key"]) for each in lies]
        s3.close()
        return [{tag["Key"]: tag["Value"] for tag in each["TagSet"]} for each in found]

    def states(self, ids: list[str]) -> set[State]:
        return {record.state for record in self.records.get_many(ids).values()}


@pytest.fixture
def cloud(aws: Server, tmp_path: Path) -> Iterator[Cloud]:
    with ExitStack() as stack:
        yield Cloud(aws, tmp_path, stack)


def opened(name: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of the functions' code, in this process: what sends."""
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.syspath_prepend(FUNCTIONS)
    module = importlib.import_module(name)
    yield module
    module.tasks.close()
    for each in ("shop", "imports"):
        sys.modules.pop(each, None)


@pytest.fixture
def shop(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    yield from opened("shop", cloud.environment, monkeypatch)


@pytest.fixture
def imports(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    yield from opened("imports", cloud.environment, monkeypatch)


def sqs_event(*bodies: str, queue: str = "shop", **attributes: str) -> dict[str, Any]:
    """An event of SQS as AWS documents it, made by hand."""
    return {
        "Records": [
            {
                "messageId": f"00000000-0000-4000-8000-{number:012d}",
                "receiptHandle": f"handle-{number}",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1545082649183",
                    **attributes,
                },
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def failed(answer: Any) -> list[str]:
    """The ids that an answer names."""
    return [each["itemIdentifier"] for each in json.loads(answer.payload)["batchItemFailures"]]
