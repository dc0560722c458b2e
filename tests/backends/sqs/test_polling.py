"""Long polls beside the flushes: never more than there are free slots, nothing kept at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.aws.faults import Exchange, delay, fail
from tests.aws.places import Place
from tests.aws.proxy import Proxy, proxy
from tests.aws.servers import Server
from tests.contract.house import answer_of
from tests.waiting import until
from twolane.backends.sqs import SqsQueue
from twolane.backends.sqs.polling import pause_for
from twolane.backends.sqs.wires import Wires
from twolane.contracts.queue import AckDelivery, Delivery, Outgoing, Receive, Send
from twolane.contracts.upkeep import Register, Unregister
from twolane.values.errors import QueueError
from twolane.values.record import WorkerInfo
from twolane.wiring.clock import SystemClock


@pytest.fixture
def between(aws: Server) -> Iterator[Proxy]:
    with proxy(aws) as made:
        yield made


@pytest.fixture
def place(aws: Server, between: Proxy) -> Iterator[Place]:
    made = Place(aws, queues=("default", "imports"), through=between.server)
    yield made
    made.close()


class Process:
    """A queue as a worker's process has it: somebody listens, so that it polls."""

    def __init__(self, place: Place, **options: Any) -> None:
        self.queue: SqsQueue = place.queue(SystemClock(), poll_s=1, **options)
        self.woken = threading.Event()
        self.end = self.queue.listen(self.woken.set)

    def send(self, count: int, name: str = "m") -> None:
        now = SystemClock().now()
        sends = [
            Send((Outgoing(f"{name}{number}", "default", "t", "{}", "d", now),)) for number in range(count)
        ]
        assert not [answer for answer in self.queue.flush(sends) if isinstance(answer, Exception)]

    def receive(self, limit: int, *queues: str) -> tuple[Delivery, ...]:
        return answer_of(self.queue, Receive("w", queues or ("default",), None, limit=limit, lease_s=30))

    def collect(self, limit: int, count: int) -> list[Delivery]:
        """Receive with so many free slots, none of which is taken, until so many came."""
        found: list[Delivery] = []

        def enough() -> bool:
            found.extend(self.receive(limit - len(found)))
            return len(found) >= count

        until(enough, f"{count} deliveries")
        return found


@pytest.fixture
def process(place: Place) -> Iterator[Process]:
    made = Process(place)
    yield made
    made.end()
    made.queue.close()


def test_a_flush_does_not_wait_for_a_poll_and_what_comes_wakes_the_worker(process: Process) -> None:
    assert process.receive(10) == ()
    assert not process.woken.is_set()

    process.send(1)

    assert process.woken.wait(10)
    assert [each.id for each in process.receive(10)] == ["m0"]


def test_one_poll_is_under_way_for_a_queue_however_many_slots_are_free(
    process: Process, between: Proxy
) -> None:
    came, may_go = threading.Event(), threading.Event()

    def hold(_: Exchange) -> None:
        came.set()
        may_go.wait(10)

    between.faults["ReceiveMessage"] = hold
    assert process.receive(50) == ()
    assert came.wait(10)

    for _ in range(10):
        assert process.receive(50) == ()

    assert between.count("ReceiveMessage") == 1
    between.faults.clear()
    may_go.set()


def test_no_more_is_received_than_there_are_free_slots(process: Process, place: Place) -> None:
    process.send(20)

    held = process.collect(3, 3)

    assert len(held) == 3
    assert place.in_flight("default") == 3
    assert process.receive(0) == ()
    assert place.in_flight("default") == 3


def test_several_queues_share_the_free_slots(process: Process, place: Place) -> None:
    now = SystemClock().now()
    process.queue.flush(
        [
            Send((Outgoing(f"{queue}{number}", queue, "t", "{}", "d", now),))
            for queue in ("default", "imports")
            for number in range(6)
        ]
    )
    found: list[Delivery] = []

    def six() -> bool:
        found.extend(process.receive(6 - len(found), "default", "imports"))
        assert place.in_flight("default") + place.in_flight("imports") <= 6
        return len(found) == 6

    until(six, "six deliveries")


def test_what_nobody_took_is_visible_at_once_when_the_worker_stops(process: Process, place: Place) -> None:
    info = WorkerInfo("w", 1, "process", ("default",), ("t",), 10, 0.0)
    answer_of(process.queue, Register(info))
    assert process.receive(5) == ()
    process.send(5)
    assert process.woken.wait(10)  # they are here, and nobody has taken them

    process.end()
    answer_of(process.queue, Unregister("w"))

    assert place.in_flight("default") == 0
    assert place.visible("default") == 5


def test_what_nobody_took_is_given_back_at_once_and_not_when_the_running_have_finished(
    process: Process, place: Place, between: Proxy
) -> None:
    process.send(1)
    [running] = process.collect(1, 1)
    process.woken.clear()
    assert process.receive(5) == ()
    process.send(5, "n")
    assert process.woken.wait(10)

    process.end()

    until(lambda: place.visible("default") == 5, "five given back")
    assert process.receive(5) == ()  # and they are not taken again
    polls = between.count("ReceiveMessage")
    answer_of(process.queue, AckDelivery(running.receipt))
    answer_of(process.queue, Unregister("w"))
    assert place.in_flight("default") == 0
    assert between.count("ReceiveMessage") == polls


def test_who_stops_waits_for_the_poll_in_flight_and_gives_back_what_it_brings(
    process: Process, place: Place, between: Proxy
) -> None:
    came, may_go = threading.Event(), threading.Event()

    def hold(exchange: Exchange) -> None:
        exchange.answer = exchange.forward(exchange.body)
        came.set()
        may_go.wait(10)
        delay(0.2)(exchange)  # who does not wait is through by then

    process.send(1)
    between.faults["ReceiveMessage"] = hold
    assert process.receive(5) == ()
    assert came.wait(10)

    process.end()
    may_go.set()
    answer_of(process.queue, Unregister("w"))

    assert (place.visible("default"), place.in_flight("default")) == (1, 0)


def test_a_poll_that_ends_as_nobody_foresaw_is_made_again(
    process: Process, between: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [True]

    def receive(self: Wires, *args: Any, **kwargs: Any) -> Any:
        if broken.pop() if broken else False:
            raise RuntimeError("out of the blue")
        return whole(self, *args, **kwargs)

    whole = Wires.receive
    monkeypatch.setattr(Wires, "receive", receive)
    assert process.receive(10) == ()
    process.send(1)

    assert process.woken.wait(20)
    assert [each.id for each in process.receive(10)] == ["m0"]


def test_a_task_of_many_goes_by_tens(process: Process, between: Proxy) -> None:
    process.send(100)

    done = 0
    while done < 100:
        held = process.collect(10, 10)
        done += len(held)
        process.queue.flush([AckDelivery(each.receipt) for each in held])

    sqs = [name for name in between.operations if name.endswith(("MessageBatch", "ReceiveMessage"))]
    assert len(sqs) <= 36, "at most 0.36 requests a task"


def test_polling_goes_on_by_itself_after_an_outage(
    process: Process, between: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    between.faults["ReceiveMessage"] = fail(503, "ServiceUnavailable", times=2)
    assert process.receive(10) == ()
    process.send(1)

    assert process.woken.wait(20)

    assert [each.id for each in process.receive(10)] == ["m0"]
    said = [each.message for each in caplog.records if each.name == "twolane.aws"]
    assert len(said) == 2
    assert said[0].startswith("receiving from queue default does not work")
    assert said[1].startswith("receiving from queue default works again")


def test_while_rows_cannot_be_read_few_messages_are_received(place: Place, between: Proxy) -> None:
    paused, may_go = threading.Event(), threading.Event()

    def pause(changed: threading.Condition, is_over: Callable[[], bool], pause_s: float) -> None:
        paused.set()
        while not (may_go.is_set() or is_over()):
            changed.wait(0.02)  # with the condition held, which no event of ours announces
        pause_for(changed, is_over, pause_s)

    process = Process(place, pause=pause)
    process.send(30)
    between.faults["BatchGetItem"] = fail(400, "ResourceNotFoundException")
    assert process.receive(10) == ()
    assert process.woken.wait(10)

    with pytest.raises(QueueError):
        process.receive(10)
    asked = between.count("ReceiveMessage")
    assert process.receive(10) == ()

    assert paused.wait(10)
    assert between.count("ReceiveMessage") == asked
    between.faults.clear()
    may_go.set()
    process.collect(10, 10)
    process.end()
    process.queue.close()
