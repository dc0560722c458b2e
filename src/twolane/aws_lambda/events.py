"""From Lambda's event to what arrived: the records of SQS, by the names that the app's queues have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from twolane.contracts.feeding import Arrived
from twolane.values.errors import UsageError

QueueOf = Callable[[str], str | None]
"""The app's name of a queue of SQS; None: it is none of the app's."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an event.

    Attributes:
        id: SQS's id of the message: what the answer calls it.
        arrived: the message.
        line: what must stay in order: the queue and the message group; None: nothing (a standard queue).
    """

    id: str
    arrived: Arrived
    line: tuple[str, str] | None = None


def read_event(event: object, queue_of: QueueOf) -> list[Record]:
    """The records of an event, each message once.

    Raises:
        UsageError: it is no event of SQS, or one of a queue that is none of the app's.
    """
    found = _records_in(event)
    if not isinstance(found, list) or not found:
        raise UsageError(
            f"this handler takes events of SQS, and got {_described(event)}: nothing was run. Invoke the function by "
            "an event source mapping of the queue"
        )
    records: dict[str, Record] = {}
    for each in cast("Sequence[Mapping[str, Any]]", found):
        try:
            record = _read(each, queue_of)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"this handler takes records of SQS, and one of this event is {_described(each)} ({error!r}): nothing "
                "was run"
            ) from None
        records[record.id] = record  # of one that came twice, the later receipt is the one that holds
    return list(records.values())


def _records_in(event: object) -> Any:
    return cast("Mapping[str, Any]", event).get("Records") if isinstance(event, Mapping) else None


def _read(record: Mapping[str, Any], queue_of: QueueOf) -> Record:
    source = record["eventSource"]
    if source != "aws:sqs":
        raise ValueError(f"it is from {source}")
    name = str(record["eventSourceARN"]).rpartition(":")[2]
    queue = queue_of(name)
    if queue is None:
        raise UsageError(
            f"this event is of queue {name}, which is none of this app's (TWOLANE_QUEUE): nothing was run, and its "
            "messages stay in it. Map the function to the app's queues alone; a dead-letter queue is not one of them"
        )
    about = record["attributes"]
    first = about.get("ApproximateFirstReceiveTimestamp")
    arrived = Arrived(
        queue,
        record["messageId"],
        record["receiptHandle"],
        record["body"],
        int(about.get("ApproximateReceiveCount", 1)),
        int(about.get("SentTimestamp", 0)) / 1000,
        None if first is None else int(first) / 1000,
        about.get("MessageGroupId"),
    )
    is_ordered = name.endswith(".fifo") and arrived.group is not None
    return Record(arrived.queue_id, arrived, (queue, str(arrived.group)) if is_ordered else None)


def _described(event: object) -> str:
    """An event by its outer shape: what is in it may be secret."""
    if isinstance(event, Mapping):
        names = sorted(str(name) for name in event)[:8]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return f"an object with {', '.join(names)}" if names else "an empty object"
    return f"a {type(event).__name__}"
