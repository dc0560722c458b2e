"""What the engine asks of a queue: entries go in together, each gets its own answer.

A backend has one door for everything that changes something: `flush` takes the entries that the
batcher gathered and carries them out as one (SQLite: one transaction and one fsync; SQS: batch
calls). Every entry gets its own answer or its own error. The laws L1 to L15 (DESIGN.md section 7)
are the docstrings of the entries; tests/contract runs them on every backend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from twolane.values.outcome import Failure, Reason
from twolane.values.record import State

A_co = TypeVar("A_co", covariant=True)


class Entry(Generic[A_co]):
    """Something to carry out; its type argument is the type of its answer."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do beyond the laws that hold for all.

    Attributes:
        durable: L1: what `Send` answered survives a kill of the process and a loss of power.
        detects_stale: L4: a stale receipt settles nothing.
        release_is_free: L7: a release uses up no attempt.
        knows_crashes: a worker's death is noticed at once and told from a lost lease; what it ran are suspects.
        selects_tasks: `Receive` hands out messages of the tasks it names only; else whatever comes next.
        foresees: `next_visible_at` knows; else what becomes visible is told by `listen` or found by a receive.
        prunes: `Prune` forgets finished records; else they expire by themselves.
        sums: what each task did on each day is counted (`Records.daily_sums`).
        groups: `Outgoing.group` means something.
        longest_attempt_s: how long a delivery can be held, in seconds, extensions included; None: for ever.
    """

    durable: bool
    detects_stale: bool
    release_is_free: bool
    knows_crashes: bool
    selects_tasks: bool = True
    foresees: bool = True
    prunes: bool = True
    sums: bool = True
    groups: bool = False
    longest_attempt_s: float | None = None


class Outgoing(NamedTuple):
    """A message on its way into the queue: an opaque body and what the queue must know of it.

    Attributes:
        id: the message's id.
        queue: the queue's name.
        task: the task's name, for the record; empty where the body is no envelope.
        body: printable ASCII, tab and line ends, up to `max_body_bytes` (L14).
        digest: equal for equal task and arguments: decides whether a second send of an id is the same.
        sent_at: epoch seconds.
        delay_s: not visible before that many seconds.
        max_attempts: after so many used attempts the queue itself buries it (L8).
        unique_key: no second message of the task with this key while one waits or runs.
        group: on a FIFO queue of SQS one of a group runs at a time, in the order of their sends; else fairness at most.
        blobs: keys of the blobs it names.
        parent: the id of the message whose task sends it.
        size_bytes: of its body and of the blobs it names, for the daily sums.
    """

    id: str
    queue: str
    task: str
    body: str
    digest: str
    sent_at: float
    delay_s: float = 0.0
    max_attempts: int = 5
    unique_key: str | None = None
    group: str | None = None
    blobs: tuple[str, ...] = ()
    parent: str | None = None
    size_bytes: int = 0


class Sent(NamedTuple):
    """What became of one message of a send: `id` is the stored one's, which is another's if `duplicate`.

    A duplicate is a second send of a stored id, or of a unique key that waits or runs, whose record is found by this id too.
    """

    id: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Send(Entry[tuple[Sent, ...]]):
    """Store messages, all or none. Answered means stored through a process kill (L1).

    Raises:
        SendRefused: nothing of this entry was stored: a body over the limit or outside the alphabet
            (L14), an id that is stored with another digest, or what the database refuses.
    """

    messages: tuple[Outgoing, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where an earlier delivery got to: its cursor and its progress."""

    cursor: Any
    done: float | None = None
    total: float | None = None


class Delivery(NamedTuple):
    """One handing-out of a message.

    Attributes:
        id: the message's id.
        queue: the queue's name.
        task: the task's name as stored beside the body; empty where the body is no envelope.
        body: unchanged (L14).
        receipt: proof of holding it, new for each delivery (L3, L13).
        attempt: the number of this attempt, from 1.
        received_at: when this delivery began, in epoch seconds.
        lease_until: when it becomes visible to others again, in epoch seconds.
        alone: it is a suspect: its process must run nothing beside it until it makes progress.
        checkpoint: what an earlier delivery saved; None: nothing.
        waits_since: since when it waits under patience, in epoch seconds; None: it does not.
        crashes: how many of its deliveries ended with their process.
    """

    id: str
    queue: str
    task: str
    body: str
    receipt: str
    attempt: int
    received_at: float
    lease_until: float
    alone: bool = False
    checkpoint: Checkpoint | None = None
    waits_since: float | None = None
    crashes: int = 0


@dataclass(frozen=True, slots=True)
class Receive(Entry[tuple[Delivery, ...]]):
    """Hand out up to `limit` visible messages, hidden from others for `lease_s` (L2, L13).

    It does not wait: where a backend has to wait for messages, it does so beside the flushes for as many as were
    wanted, tells `listen`, and hands them out to the next one.

    No order is promised (L11). A suspect is handed out only while `idle`, alone, and before anything
    else. A message whose attempts are used up is buried instead (L8).

    Attributes:
        worker: who receives.
        queues: the queues it serves.
        tasks: the task names it knows; messages of other names stay where they are. None: all.
        limit: how many at most.
        lease_s: for how long they are hidden.
        idle: the worker runs nothing now, so that a suspect may be handed out.
        strangers: hand out instead only messages whose task no live worker knows.
    """

    worker: str
    queues: tuple[str, ...]
    tasks: tuple[str, ...] | None
    limit: int
    lease_s: float
    idle: bool = True
    strangers: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """Whether a delivery is still held.

    Attributes:
        held: the receipt is the live one.
        cancel_requested: somebody asked for the end of the message.
        cleared: the delivery was a suspect and has made progress: others may run beside it again.
    """

    held: bool
    cancel_requested: bool = False
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class Extend(Entry[tuple[Holding, ...]]):
    """Lengthen the leases of these receipts to `lease_s` from now; answers in the same order."""

    receipts: tuple[str, ...]
    lease_s: float


@dataclass(frozen=True, slots=True)
class SaveCheckpoint(Entry[Holding]):
    """Save where the next delivery of this message goes on, with its progress; fenced by the receipt."""

    receipt: str
    cursor: Any
    done: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settling verb did.

    Attributes:
        held: False: the receipt was stale and nothing happened (L4), or it was settled before (L5).
        after_s: the delay that was set, where it was capped (L6).
        gone: of what somebody else has received (`HandOut`): it is theirs to delete now.
    """

    held: bool
    after_s: float | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class AckDelivery(Entry[Settled]):
    """Done: never delivered again. Twice is harmless (L5). `sends` are stored with it, or it fails with them."""

    receipt: str
    result: Any = None
    sends: tuple[Outgoing, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryDelivery(Entry[Settled]):
    """Visible again, not before `after_s` (L6); uses up an attempt, keeps the failure, and clears a suspect."""

    receipt: str
    after_s: float
    failure: Failure
    outcome: str = "failed"


@dataclass(frozen=True, slots=True)
class WaitDelivery(Entry[Settled]):
    """Visible again, not before `after_s`, under patience: uses up no attempt, keeps when the waiting began."""

    receipt: str
    after_s: float


@dataclass(frozen=True, slots=True)
class ReleaseDelivery(Entry[Settled]):
    """Visible at once, unfinished (L7)."""

    receipt: str


@dataclass(frozen=True, slots=True)
class DeadLetterDelivery(Entry[Settled]):
    """Kept with body, reason, attempts and times (L9); an alert is owed from the same moment."""

    receipt: str
    reason: Reason
    failure: Failure
    public: str | None = None
    outcome: str = "failed"


@dataclass(frozen=True, slots=True)
class CancelDelivery(Entry[Settled]):
    """The running delivery ends as cancelled."""

    receipt: str


@dataclass(frozen=True, slots=True)
class CancelMessage(Entry[State | None]):
    """Cancel by id: a waiting message at once, a running one at its next checkpoint. Answers as `Redrive`."""

    id: str


@dataclass(frozen=True, slots=True)
class Redrive(Entry[State | None]):
    """Send a dead letter back to its queue with all attempts new; a crash inside leaves a copy (L10).

    Answers the state afterwards; None: no such message. One that is not dead stays as it is.

    Attributes:
        id: the message's id.
        body: another body, with edited arguments; None: the same.
        digest: the other body's digest.
        group: the other arguments' group; None: the one it was sent with.
        unique_key: the other arguments' unique key, for which it must be free; None: the one it was sent with.
    """

    id: str
    body: str | None = None
    digest: str | None = None
    group: str | None = None
    unique_key: str | None = None


@dataclass(frozen=True, slots=True)
class Discard(Entry[State | None]):
    """Delete a dead letter for good, by a human; its record stays until it is pruned. Answers as Redrive."""

    id: str


class Queue(Protocol):
    """A queue with its records. `flush` is called by one thread at a time (the batcher's)."""

    capabilities: Capabilities
    max_body_bytes: int

    def flush(self, entries: Sequence[Entry[Any]]) -> list[Any]:
        """Carry out entries as one, in order; answers in the same order.

        An answer is the entry's own or an exception instance: what is refused fails alone. A failed
        commit raises, and then the outcome of every entry is unknown.
        """
        ...

    def next_visible_at(self, queues: tuple[str, ...], after: float) -> float | None:
        """When the next waiting message of these queues becomes visible, later than `after`.

        None: none does, or the backend does not know (capability `foresees`) and tells `listen` when one does.
        Epoch seconds both. What was visible before and still waits may be another worker's to take.
        """
        ...

    def listen(self, on_visible: Callable[[], None]) -> Callable[[], None]:
        """Call `on_visible` whenever messages may have become visible, from this process or another.

        It is called from any thread, must return at once and may be called for nothing; a call can be
        missed, so a worker also polls slowly. Answers the function that ends it, safe to call twice.
        """
        ...

    def close(self) -> None:
        """Release what it holds; called once, by the thread that flushes."""
        ...
