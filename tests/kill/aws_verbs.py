"""A process that carries out one verb of the queue on AWS and kills itself before a given call to AWS.

Its `main` is called with a verb, the number of the call, the message's id, and what an event source has received
(tests/forks.py). Time is a file, which the test turns.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

from twolane.backends.dynamodb import DynamoState
from twolane.backends.sqs import SqsQueue, read_address
from twolane.contracts.feeding import Arrived, ContinueDelivery, HandOut
from twolane.contracts.queue import (
    AckDelivery,
    DeadLetterDelivery,
    Discard,
    Entry,
    Outgoing,
    Receive,
    Redrive,
    ReleaseDelivery,
    RetryDelivery,
    SaveCheckpoint,
    Send,
)
from twolane.values.outcome import Failure, Reason

FAILURE = Failure("ValueError", "no such flight", "Traceback ...", 1.0, 2.0)
TAKE = Receive("killed", ("default",), None, limit=1, lease_s=60.0)
SETTLES: dict[str, Callable[[str], Entry[Any]]] = {
    "ack": AckDelivery,
    "retry": lambda receipt: RetryDelivery(receipt, 0.0, FAILURE),
    "release": ReleaseDelivery,
    "dead": lambda receipt: DeadLetterDelivery(receipt, Reason.GAVE_UP, FAILURE),
}
FED: dict[str, Callable[[str], Entry[Any]]] = {
    "continue": lambda receipt: ContinueDelivery(receipt, "{}"),
    "continue large": lambda receipt: ContinueDelivery(receipt, '{"part": "' + "x" * 5000 + '"}'),
}
"""What a function does with what was handed to it."""
BY_ID: dict[str, Callable[[str], Entry[Any]]] = {"redrive": Redrive, "discard": Discard}


class Clock:
    """The time that the test turns."""

    def now(self) -> float:
        return float(Path(os.environ["TWOLANE_KILL_CLOCK"]).read_text())

    def monotonic(self) -> float:
        return time.monotonic()


def dies_before(number: int) -> None:
    """From now on: the process ends before this call to AWS, from 1."""
    calls = itertools.count(1)
    call: Any = BaseClient._make_api_call

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(client, operation, arguments)

    BaseClient._make_api_call = counted


def main(words: Sequence[str]) -> None:
    """Carry the verb out; the end of this is an exit code of 0."""
    verb, number, message_id, *arrived = words[0], int(words[1]), *words[2:]
    clock = Clock()
    queue = SqsQueue(
        read_address(os.environ["TWOLANE_QUEUE"]),
        DynamoState(os.environ["TWOLANE_KILL_TABLE"]),
        clock=clock,
        poll_s=0,
    )
    queue.start()
    if verb == "sweep":
        dies_before(number)
        queue.sweep(("default",))
        return
    if verb in SETTLES:
        [[delivery]] = queue.flush([TAKE])
        assert delivery.id == message_id
        entry = SETTLES[verb](delivery.receipt)
    elif verb in FED:
        [[delivery]] = queue.flush([HandOut("killed", (Arrived(**json.loads(arrived[0])),), lease_s=60.0)])
        assert delivery.id == message_id
        [saved] = queue.flush([SaveCheckpoint(delivery.receipt, 7)])
        assert saved.held
        entry = FED[verb](delivery.receipt)
    elif verb in BY_ID:
        entry = BY_ID[verb](message_id)
    elif verb == "receive":
        entry = TAKE
    else:
        entry = Send((Outgoing(message_id, "default", "app:work", "{}", "d", clock.now()),))
    dies_before(number)
    [answer] = queue.flush([entry])
    if isinstance(answer, Exception):
        raise answer


if __name__ == "__main__":
    main(sys.argv[1:])
