"""Queues and tables of one test on a server that all tests share: each under a name of its own."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

from botocore.session import Session

from tests.aws.servers import Server
from tests.clock import FakeClock
from twolane.backends.aws import Service, new_session
from twolane.backends.dynamodb import DynamoState, create_table
from twolane.backends.s3 import Bucket, S3Blobs
from twolane.backends.sqs import Address, SqsQueue, StatelessSqsQueue, StateRecords
from twolane.contracts.clock import Clock
from twolane.contracts.feeding import Arrived


def service(name: str, server: Server, **options: float) -> Service:
    """A service of a server, whatever this process's environment says."""
    return Service(name, session=SHARED(server.account), endpoint_url=server.url, **options)


@cache
def _in_region(region: str) -> Session:
    made: Session = new_session()
    made.set_config_variable("region", region)
    return made


def session(account: str, region: str = "us-east-1") -> Session:
    """A session for an account of a server: a copy, since making one takes longer than a call."""
    made = copy.copy(_in_region(region))
    made.set_credentials(account, "test")
    return made


SHARED = lru_cache(maxsize=4)(session)
"""One session for all clients of an account."""


def bucket(server: Server) -> S3Blobs:
    """A bucket of its own."""
    name = f"t{secrets.token_hex(6)}"
    s3 = service("s3", server)
    s3.client.create_bucket(Bucket=name)
    s3.close()
    return S3Blobs(Bucket(name, "uploads"), session=SHARED(server.account), endpoint_url=server.url)


class TurnedClock(FakeClock):
    """A clock that a server's SQS goes by too."""

    def __init__(self, server: Server, start: float = 1_800_000_000.0) -> None:
        super().__init__(start)
        assert server.clock is not None
        self._file = server.clock
        self._write()

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._write()

    def _write(self) -> None:
        # in place: a reader never finds it empty
        with self._file.open("r+") as file:
            file.write(f"{self.now():<32.6f}")


class Place:
    """Queues, each with a dead-letter queue, and a table.

    Args:
        server: where.
        queues: their names in the app.
        max_receives: SQS's own redrive policy.
        through: where its queues and tables are reached by those under test; None: at the server.
        tables: where its table is; None: at the same server.
        fifo: its queues are FIFO queues, and so are their dead-letter queues.
        visibility_s: how long SQS hides what it hands out, where nobody says for how long: to a Lambda function.
    """

    def __init__(
        self,
        server: Server,
        *,
        queues: Sequence[str] = ("default",),
        max_receives: int = 1000,
        through: Server | None = None,
        tables: Server | None = None,
        fifo: bool = False,
        visibility_s: int = 30,
    ) -> None:
        self._ending = ".fifo" if fifo else ""
        self.server = through or server
        self._tables = tables or self.server
        self.name = f"t{secrets.token_hex(6)}"
        self.address = Address(f"{self.name}-*{self._ending}")
        self.sqs = service("sqs", server)
        self.dynamodb = service("dynamodb", tables or server)
        self._visibility_s, self._max_receives = visibility_s, max_receives
        self.urls: dict[str, str] = {}
        self.need(queues)
        create_table(self.dynamodb, self.name)

    def need(self, queues: Iterable[str]) -> None:
        """Make those of these queues that are not there."""
        for queue in queues:
            if queue not in self.urls:
                self.urls[queue] = self._make(queue)

    def _make(self, queue: str) -> str:
        dead = self._create(f"{self.name}-{queue}-dead", {"MessageRetentionPeriod": "1209600"})
        arn = self.sqs.client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": self._max_receives}
        return self._create(
            f"{self.name}-{queue}",
            {"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": str(self._visibility_s)},
        )

    def _create(self, name: str, attributes: dict[str, str]) -> str:
        fifo = {"FifoQueue": "true"} if self._ending else {}
        made = self.sqs.client.create_queue(QueueName=name + self._ending, Attributes=attributes | fifo)
        return str(made["QueueUrl"])

    def dead_letters(self, queue: str) -> list[dict[str, Any]]:
        """What lies in the dead-letter queue of a queue; it stays there."""
        url = self.sqs.client.get_queue_url(QueueName=f"{self.name}-{queue}-dead{self._ending}")["QueueUrl"]
        found = self.sqs.client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]

    def arrive(self, queue: str, most: int = 10) -> list[Arrived]:
        """Receive messages as Lambda's event source does, for as long as the queue says."""
        found = self.sqs.client.receive_message(
            QueueUrl=self.urls[queue], MaxNumberOfMessages=most, AttributeNames=["All"]
        )
        return [_arrived(queue, message) for message in found.get("Messages", [])]

    def in_flight(self, queue: str) -> int:
        """How many messages SQS has handed out."""
        return self.counts(queue)["in flight"]

    def visible(self, queue: str) -> int:
        """How many messages SQS would hand out."""
        return self.counts(queue)["visible"]

    def copies(self, queue: str) -> int:
        """How many copies SQS has in all."""
        return sum(self.counts(queue).values())

    def counts(self, queue: str) -> dict[str, int]:
        """How many copies SQS has, and where: asked at once, since they move from one to the other meanwhile."""
        names = {
            "visible": "ApproximateNumberOfMessages",
            "delayed": "ApproximateNumberOfMessagesDelayed",
            "in flight": "ApproximateNumberOfMessagesNotVisible",
        }
        answer = self.sqs.client.get_queue_attributes(
            QueueUrl=self.urls[queue], AttributeNames=[*names.values()]
        )
        return {where: int(answer["Attributes"][name]) for where, name in names.items()}

    def state(self) -> DynamoState:
        return DynamoState(self.name, service("dynamodb", self._tables))

    def queue(self, clock: Clock, **options: Any) -> SqsQueue:
        sqs = service("sqs", self.server, poll_s=20.0)
        return SqsQueue(self.address, self.state(), clock=clock, service=sqs, **options)

    def stateless(self, clock: Clock) -> StatelessSqsQueue:
        sqs = service("sqs", self.server, poll_s=20.0)
        return StatelessSqsQueue(self.address, clock=clock, service=sqs, poll_s=0)

    def records(self, clock: Clock) -> StateRecords:
        return StateRecords(self.state(), clock)

    def close(self) -> None:
        for url in self.urls.values():
            self.sqs.client.delete_queue(QueueUrl=url)
        self.dynamodb.client.delete_table(TableName=self.name)
        self.sqs.close()
        self.dynamodb.close()


def _arrived(queue: str, message: dict[str, Any]) -> Arrived:
    about = message["Attributes"]
    return Arrived(
        queue,
        message["MessageId"],
        message["ReceiptHandle"],
        message["Body"],
        int(about["ApproximateReceiveCount"]),
        int(about["SentTimestamp"]) / 1000,
        int(about["ApproximateFirstReceiveTimestamp"]) / 1000,
        about.get("MessageGroupId"),
    )
