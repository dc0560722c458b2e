"""Every verb of the queue on AWS, killed before each of its calls to AWS: what is left is whole, or is made whole."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.aws.places import Place, TurnedClock
from tests.aws.servers import Server
from tests.contract.house import FAILURE, LEASE_S, House, InAws
from tests.forks import start
from twolane.backends.sqs import SqsQueue
from twolane.contracts.queue import AckDelivery, Checkpoint, DeadLetterDelivery, Discard, Redrive, Send
from twolane.contracts.upkeep import Reap
from twolane.values.outcome import Reason
from twolane.values.record import State

MOST_CALLS = 60


class Killed:
    """A place on AWS in which processes are killed, and those that come after them."""

    def __init__(self, house: House, backend: InAws, server: Server, log: Path) -> None:
        self.house = house
        self.backend = backend
        self._log = log
        self._environment = {
            **os.environ,
            **server.environment,
            "TWOLANE_QUEUE": str(backend.place.address),
            "TWOLANE_KILL_TABLE": backend.place.name,
            "TWOLANE_KILL_CLOCK": str(server.clock),
        }

    def kills(self, verb: str, message_id: Callable[[], str], *, fed: bool = False) -> Iterator[str]:
        """Kill a process before each call that the verb makes; answers the id of each message, a new one each time.

        Args:
            verb: which.
            message_id: makes a message.
            fed: it is handed to the process, as Lambda's event source does.
        """
        for number in range(1, MOST_CALLS):
            made = message_id()
            arrived = (
                [json.dumps(asdict(each)) for each in self.backend.place.arrive("default")] if fed else []
            )
            words = (verb, number, made, *arrived)
            code = start(
                "tests.kill.aws_verbs", *words, environment=self._environment, stdout=self._log
            ).wait()
            if code == 0:
                assert number > 1, f"{verb} makes no call at all"
                return
            assert code == -signal.SIGKILL, self._log.read_text()[-4000:]
            print(f"{verb}: killed before call {number}")
            yield made
        raise AssertionError(f"{verb} makes {MOST_CALLS} calls or more")

    def recover(self) -> None:
        """Leases end, and a worker looks for what a kill has left."""
        self.house.clock.advance(LEASE_S + 1)
        self.house.do(Reap())

    def work(self, message_id: str) -> None:
        """Whoever comes next runs what is there."""
        for delivery in self.house.receive():
            assert delivery.id == message_id
            self.house.do(AckDelivery(delivery.receipt))

    def is_over(self, message_id: str, state: State) -> None:
        """The message has this end, and SQS has nothing left of it."""
        self.recover()
        assert self.house.receive() == ()
        assert self.house.state(message_id) is state
        assert self.backend.place.copies("default") == 0

    def copies(self) -> set[str]:
        """Whose copies the dead-letter queue has; they are taken out."""
        place = self.backend.place
        client = place.sqs.client
        url = client.get_queue_url(QueueName=f"{place.name}-default-dead")["QueueUrl"]
        found: set[str] = set()
        while came := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found |= {json.loads(message["Body"])["dead"]["id"] for message in came}
            for message in came:
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def dead_one(self) -> str:
        """A message that has died."""
        message_id = self.house.send()
        self.house.do(DeadLetterDelivery(self.house.take().receipt, Reason.GAVE_UP, FAILURE))
        return message_id


@pytest.fixture
def killed(turned_aws: Server, tmp_path: Path) -> Iterator[Killed]:
    clock = TurnedClock(turned_aws)
    backend = InAws(Place(turned_aws), clock)
    yield Killed(House(backend, clock), backend, turned_aws, tmp_path / "log")
    backend.close()


def test_a_send_that_was_killed_is_sent_again_under_its_id_and_runs_once(killed: Killed) -> None:
    house = killed.house
    for message_id in killed.kills("send", lambda: house.outgoing().id):
        [sent] = house.do(Send((house.outgoing(id=message_id),)))
        assert sent.id == message_id
        killed.work(message_id)
        killed.is_over(message_id, State.DONE)


@pytest.mark.parametrize("verb", ["receive", "retry", "release", "ack"])
def test_a_delivery_that_was_killed_comes_again_until_it_is_done(killed: Killed, verb: str) -> None:
    for message_id in killed.kills(verb, killed.house.send):
        killed.recover()
        killed.work(message_id)
        killed.is_over(message_id, State.DONE)


@pytest.mark.parametrize(
    ("verb", "fifo"), [("continue", False), ("continue large", False), ("continue", True)]
)
def test_a_continuation_that_was_killed_goes_on_from_its_checkpoint_once(
    turned_aws: Server, tmp_path: Path, verb: str, fifo: bool
) -> None:
    clock = TurnedClock(turned_aws)
    backend = InAws(Place(turned_aws, fifo=fifo), clock)
    killed = Killed(House(backend, clock), backend, turned_aws, tmp_path / "log")

    for message_id in killed.kills(verb, killed.house.send, fed=True):
        killed.recover()  # nobody has deleted the old message: the function is dead
        delivery = killed.house.take()
        assert (delivery.id, delivery.attempt, delivery.checkpoint) == (
            message_id,
            1,
            Checkpoint(7, None, None),
        )
        killed.house.do(AckDelivery(delivery.receipt))
        killed.recover()
        killed.is_over(message_id, State.DONE)
    backend.close()


def test_a_death_that_was_killed_is_a_dead_letter_with_its_copy_and_is_told(killed: Killed) -> None:
    house = killed.house
    for deaths, message_id in enumerate(killed.kills("dead", house.send), 1):
        killed.recover()
        for delivery in house.receive():  # nobody had written that it is dead
            house.do(DeadLetterDelivery(delivery.receipt, Reason.GAVE_UP, FAILURE))

        killed.is_over(message_id, State.DEAD)
        letter = house.records.dead_letter(message_id)
        assert letter is not None
        assert letter.attempts
        assert house.records.telling().last == deaths, "each death is owed once"
        assert killed.copies() == {message_id}


def test_a_redrive_that_was_killed_leaves_a_copy_that_runs(killed: Killed) -> None:
    house = killed.house
    for message_id in killed.kills("redrive", killed.dead_one):
        killed.recover()
        if house.state(message_id) is State.DEAD:
            assert house.do(Redrive(message_id)) is State.WAITING
        killed.work(message_id)
        killed.is_over(message_id, State.DONE)


def test_a_discard_that_was_killed_is_a_dead_letter_still_or_discarded(killed: Killed) -> None:
    house = killed.house
    for message_id in killed.kills("discard", killed.dead_one):
        killed.recover()
        if house.state(message_id) is State.DEAD:
            assert house.records.dead_letter(message_id) is not None
            assert house.do(Discard(message_id)) is State.DISCARDED
        killed.is_over(message_id, State.DISCARDED)


@pytest.mark.long
def test_what_sqs_took_away_is_buried_whoever_is_killed_in_the_sweep(
    turned_aws: Server, tmp_path: Path
) -> None:
    clock = TurnedClock(turned_aws)
    backend = InAws(Place(turned_aws, max_receives=1), clock)
    house = House(backend, clock)
    killed = Killed(house, backend, turned_aws, tmp_path / "log")

    def taken_away() -> str:
        message_id = house.send(max_attempts=5)
        house.take()
        clock.advance(LEASE_S + 1)
        assert house.receive() == ()
        return message_id

    for message_id in killed.kills("sweep", taken_away):
        clock.advance(300)  # what the sweep had in its hands is hidden for two minutes
        assert isinstance(house.queue, SqsQueue)
        house.queue.sweep(("default",))
        assert house.state(message_id) is State.DEAD
        assert killed.copies() == {message_id}
    backend.close()
