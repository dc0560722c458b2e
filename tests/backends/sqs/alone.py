"""SQS without a state store, as tests ask it: entries one by one, messages that are envelopes."""

from __future__ import annotations

from typing import Any

from tests.aws.places import Place, TurnedClock
from tests.contract.house import LEASE_S, answer_of
from twolane.backends.sqs import NoRecords, StatelessSqsQueue
from twolane.contracts.queue import Delivery, Entry, Outgoing, Receive, Send
from twolane.values.message import Message, MessagePolicy, encode


class Alone:
    """A queue on SQS alone.

    Args:
        place: its queues.
        clock: the time, SQS's as well.
    """

    def __init__(self, place: Place, clock: TurnedClock) -> None:
        self.place = place
        self.clock = clock
        self.queue: StatelessSqsQueue = place.stateless(clock)
        self.records = NoRecords(place.address, self.queue.here, clock, service=place.sqs)

    def do(self, entry: Entry[Any]) -> Any:
        return answer_of(self.queue, entry)

    def outgoing(self, message_id: str = "m1", *, max_attempts: int = 5, **fields: Any) -> Outgoing:
        policy = MessagePolicy(max_attempts, 300, 3600)
        body = encode(Message(message_id, "app:work", "default", {}, 1.0, policy))
        return Outgoing(message_id, "default", "app:work", body, "d", self.clock.now())._replace(**fields)

    def send(self, message_id: str = "m1", **fields: Any) -> Outgoing:
        message = self.outgoing(message_id, **fields)
        self.do(Send((message,)))
        return message

    def receive(self, *, limit: int = 10, lease_s: float = LEASE_S) -> tuple[Delivery, ...]:
        answer: tuple[Delivery, ...] = self.do(Receive("w", ("default",), None, limit=limit, lease_s=lease_s))
        return answer

    def take(self) -> Delivery:
        [delivery] = self.receive()
        return delivery
