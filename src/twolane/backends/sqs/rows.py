"""A message as the state store keeps it: what SQS cannot say of it. A value, its text, and where it is listed."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, fields, replace
from typing import Any

from twolane.contracts.queue import Checkpoint
from twolane.contracts.state import Item, Shelved
from twolane.values.fingerprint import fingerprint, headline
from twolane.values.letters import Matching
from twolane.values.outcome import Failure, Reason
from twolane.values.record import FINISHED, Attempt, DeadLetter, Record, State

SHELVES = 4
"""Over so many shelves the waiting are spread, and the running: DynamoDB takes 1,000 writes a second on each."""
DEAD = "dead"
UNSENT = "unsent"
"""The shelf of those that were sent back and may not have reached SQS yet."""
INLINE_BYTES = 2048
"""A larger body is an item of its own: each change of an item is billed by its whole size."""
TYPE_BYTES = 200
MESSAGE_BYTES = 2048
TRACEBACK_BYTES = 6144
TOLD_ATTEMPTS = 25
"""So many attempts keep their traceback, the latest ones: an item has at most 400 KB."""
MOST_ATTEMPTS = 200

_PLAIN = Record("", "", "", State.WAITING, attempt=1, deliveries=0, sent_at=0.0, visible_at=0.0)
_SIMPLE = [field.name for field in fields(Record) if field.name not in ("state", "reason")]
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Row:
    """A message.

    Attributes:
        record: what people read of it.
        digest: of its task and arguments.
        max_attempts: after so many it is buried.
        body: None: it is an item of its own.
        blobs: the keys it names.
        receipt: the fence of the live delivery; None: nobody holds it.
        waits_since: since when it waits under patience, in epoch seconds.
        attempts: those that did not succeed.
        unsent: it was sent back and may not have reached SQS yet.
        group: the one it was sent with.
        token: tells the row of one send from that of another one under the same id.
        lapsed_at: the cursor and how much was done when a lease of it ended last; None: none has.
        edited: its body is another one than it was sent with, which an old copy of SQS's may still hold.
    """

    record: Record
    digest: str
    max_attempts: int
    body: str | None = None
    blobs: tuple[str, ...] = ()
    receipt: str | None = None
    waits_since: float | None = None
    attempts: tuple[Attempt, ...] = ()
    unsent: bool = False
    group: str | None = None
    token: str = ""
    lapsed_at: list[Any] | None = None
    edited: bool = False

    def but(self, *, record: dict[str, Any] | None = None, **changes: Any) -> Row:
        """The same but for this."""
        return replace(self, record=replace(self.record, **(record or {})), **changes)

    @property
    def is_open(self) -> bool:
        """It waits or runs."""
        return self.record.state in (State.WAITING, State.RUNNING)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where an earlier delivery got to."""
        kept = self.record
        return None if kept.progressed_at is None else Checkpoint(kept.cursor, kept.done, kept.total)

    @property
    def failure(self) -> Failure | None:
        """What went wrong last."""
        return self.attempts[-1].failure if self.attempts else None

    def letter(self, body: str | None = None) -> DeadLetter:
        """The message as a dead letter."""
        return DeadLetter(self.record, self.body if self.body is not None else body or "", self.attempts)


def key_of(message_id: str) -> str:
    """Where a message is."""
    return f"message/{message_id}"


def body_key(message_id: str) -> str:
    """Where a large body is."""
    return f"body/{message_id}"


def is_large(body: str) -> bool:
    """Whether a body is an item of its own."""
    return len(body) > INLINE_BYTES


def shelves(state: State) -> list[str]:
    """Where messages in this state are listed."""
    if state is State.DEAD:
        return [DEAD]
    return [f"{state.value}/{number}" for number in range(SHELVES)] + [UNSENT] * (state is State.WAITING)


def item_of(row: Row, before: Item | None, *, keep_s: float) -> Item:
    """A row as the next version of its item.

    Args:
        row: the message.
        before: the item it was; None: it is new.
        keep_s: how long finished ones are kept, in seconds.
    """
    kept = row.record
    shelf, place, expires_at = None, 0.0, None
    if kept.state is State.DEAD:
        shelf, place = DEAD, kept.finished_at or 0.0
    elif kept.state in FINISHED:
        expires_at = float(int((kept.finished_at or 0.0) + keep_s))
    else:
        shelf = UNSENT if row.unsent else f"{kept.state.value}/{zlib.crc32(kept.id.encode()) % SHELVES}"
        place = kept.visible_at
    version = 1 if before is None else before.version + 1
    return Item(key_of(kept.id), version, to_text(row), shelf, place, _head(row) if shelf else "", expires_at)


def _head(row: Row) -> str:
    kept = row.record
    head: list[Any] = [kept.queue, kept.task, kept.sent_at, row.waits_since is not None]
    if kept.state is State.DEAD:
        head += [kept.reason, fingerprint(kept.task, row.failure), headline(row.failure)]
    return _ENCODER.encode(head)


def read_head(head: str) -> tuple[str, str, float, bool]:
    """What a shelf says of a message: its queue, its task, when it was sent, whether it waits under patience."""
    queue, task, sent_at, waits, *_ = json.loads(head)
    return queue, task, sent_at, waits


@dataclass(frozen=True, slots=True)
class DeadHead:
    """What the shelf of dead letters says of one."""

    id: str
    task: str
    reason: Reason
    fingerprint: str
    error: str
    died_at: float

    def matches(self, which: Matching) -> bool:
        """Whether a person looks for it."""
        return which.finds(
            task=self.task,
            reason=self.reason,
            error=self.error,
            fingerprint=self.fingerprint,
            died_at=self.died_at,
        )


def read_dead_head(listed: Shelved) -> DeadHead:
    """A dead letter as it is listed."""
    _, task, _, _, reason, kind, error = json.loads(listed.head)
    why = Reason.UNREADABLE if reason is None else Reason(reason)
    return DeadHead(listed.key.partition("/")[2], task, why, kind, error, listed.place)


def to_text(row: Row) -> str:
    """Write a row; what has its usual value is left out.

    Raises:
        ValueError: a cursor or a result that JSON cannot carry.
        TypeError: the same.
    """
    kept = row.record
    record: dict[str, Any] = {
        name: getattr(kept, name) for name in _SIMPLE if getattr(kept, name) != getattr(_PLAIN, name)
    }
    record["state"] = kept.state.value
    if kept.reason is not None:
        record["reason"] = kept.reason.value
    text: dict[str, Any] = {"record": record, "digest": row.digest, "max_attempts": row.max_attempts}
    for name in ("body", "receipt", "waits_since", "group", "lapsed_at"):
        if getattr(row, name) is not None:
            text[name] = getattr(row, name)
    if row.blobs:
        text["blobs"] = row.blobs
    if row.attempts:
        text["attempts"] = [_attempt_to_json(each) for each in row.attempts]
    if row.unsent:
        text["unsent"] = True
    if row.token:
        text["token"] = row.token
    if row.edited:
        text["edited"] = True
    return _ENCODER.encode(text)


def from_text(text: str) -> Row:
    """Read a row."""
    return from_json(json.loads(text))


def from_json(has: dict[str, Any]) -> Row:
    """Read a row that was read as JSON."""
    record: dict[str, Any] = has["record"]
    reason = record.get("reason")
    known = {name: record[name] for name in _SIMPLE if name in record}
    return Row(
        record=replace(
            _PLAIN, **known, state=State(record["state"]), reason=None if reason is None else Reason(reason)
        ),
        digest=has["digest"],
        max_attempts=has["max_attempts"],
        body=has.get("body"),
        blobs=tuple(has.get("blobs", ())),
        receipt=has.get("receipt"),
        waits_since=has.get("waits_since"),
        attempts=tuple([_attempt_of(each) for each in has.get("attempts", ())]),
        unsent=has.get("unsent", False),
        group=has.get("group"),
        token=has.get("token", ""),
        lapsed_at=has.get("lapsed_at"),
        edited=has.get("edited", False),
    )


def noted(row: Row, outcome: str, failure: Failure) -> tuple[Attempt, ...]:
    """The row's attempts and one more; texts are clipped so that the item stays below DynamoDB's size."""
    clipped = replace(
        failure,
        error_type=_clipped(failure.error_type, TYPE_BYTES),
        message=_clipped(failure.message, MESSAGE_BYTES),
        traceback=_clipped(failure.traceback, TRACEBACK_BYTES),
    )
    attempts = (*row.attempts[-MOST_ATTEMPTS + 1 :], Attempt(row.record.attempt, outcome, clipped))
    if len(attempts) <= TOLD_ATTEMPTS:
        return attempts
    latest = TOLD_ATTEMPTS - 1
    middle = attempts[-latest - 1]
    bare = replace(middle.failure, traceback="", message=_clipped(middle.failure.message, TYPE_BYTES))
    return (*attempts[: -latest - 1], replace(middle, failure=bare), *attempts[-latest:])


def _clipped(text: str, most_bytes: int) -> str:
    """A text that takes no more bytes as JSON; of a long one its beginning and, since it says most, its end."""
    if len(text) * 6 <= most_bytes or len(_ENCODER.encode(text)) <= most_bytes:
        return text
    chars = most_bytes - 20
    while (
        len(_ENCODER.encode(short := f"{text[: chars // 4]}\n  [...]\n{text[-(chars - chars // 4) :]}"))
        > most_bytes
    ):
        chars = chars * 4 // 5
    return short


def _attempt_to_json(attempt: Attempt) -> list[Any]:
    why = attempt.failure
    return [
        attempt.number, attempt.outcome,
        why.error_type, why.message, why.traceback, why.started_at, why.ended_at,
    ]  # fmt: skip


def _attempt_of(value: list[Any]) -> Attempt:
    number, outcome, *failure = value
    return Attempt(number, outcome, Failure(*failure))
