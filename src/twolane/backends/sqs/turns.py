"""What each entry makes of a message: from one row to the next, with its answer and what SQS must hear then.

Pure: no clock, no store, no SQS. The queue applies a turn to the row as it is now and writes the result on the
condition that nobody was quicker; else it applies it again to what is there then. So every settlement is fenced.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from twolane.backends.sqs.rows import Row, is_large, noted
from twolane.contracts import feeding as f
from twolane.contracts import queue as q
from twolane.values.errors import SendRefused
from twolane.values.outcome import Failure, Reason
from twolane.values.policy import MAX_CRASHES, MAX_PAUSE_S
from twolane.values.record import State

EXTENDED_OFTEN = 3
"""So often within its length a lease is extended."""


@dataclass(frozen=True, slots=True)
class Delete:
    """SQS forgets its copy."""


@dataclass(frozen=True, slots=True)
class Show:
    """SQS's copy is hidden for so many seconds from now on; 0: visible at once."""

    after_s: float


Order = Delete | Show | None
"""What SQS must hear of the copy that the receipt speaks of, once the row is written."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What an entry makes of a row.

    Attributes:
        row: the row from now on; the same object: nothing changed.
        answer: the entry's.
        order: for SQS.
        died: an alert is owed from now on.
        ended: an attempt ended: True: well; False: it failed; None: none did.
        ends: its lease will not be lengthened again.
    """

    row: Row
    answer: Any
    order: Order = None
    died: bool = False
    ended: bool | None = None
    ends: bool = False


def held(row: Row | None, fence: str) -> bool:
    """Whether the receipt with this fence is the live one."""
    return row is not None and row.receipt == fence


def extend(row: Row, lease_s: float, now: float, left_s: float) -> Turn:
    """The lease is longer, as far as SQS goes on hiding the message.

    It is lost a little before its end if there will be no other extension by then, so that nobody else runs it while
    this one is still about to hear of it.

    Args:
        row: the message.
        lease_s: the lease is this long from now.
        now: this moment.
        left_s: for so long SQS still hides it.
    """
    if left_s <= lease_s / EXTENDED_OFTEN:
        return Turn(row, q.Holding(held=False))
    answer = q.Holding(held=True, cancel_requested=row.record.cancel_requested)
    until = now + min(lease_s, left_s)
    if left_s < lease_s and until - row.record.visible_at < 1.0:
        return Turn(row, answer)
    return Turn(row.but(record={"visible_at": until}), answer, Show(until - now), ends=left_s < lease_s)


def save_checkpoint(row: Row, entry: q.SaveCheckpoint, now: float) -> Turn:
    """The next delivery goes on from here."""
    progress = {
        "cursor": as_json(entry.cursor),
        "done": entry.done,
        "total": entry.total,
        "progressed_at": now,
    }
    return Turn(row.but(record=progress), q.Holding(held=True, cancel_requested=row.record.cancel_requested))


def settle(row: Row, entry: Any, now: float) -> Turn:
    """The end of a delivery that is held."""
    match entry:
        case q.AckDelivery():
            done = _ended(row, State.DONE, now, result=as_json(entry.result))
            return Turn(done, q.Settled(held=True), Delete(), ended=True)
        case q.RetryDelivery():
            tried = row.but(waits_since=None, attempts=noted(row, entry.outcome, entry.failure))
            return replace(_paused(tried, entry.after_s, now, charge=True), ended=False)
        case q.WaitDelivery():
            return _paused(row.but(waits_since=row.waits_since or now), entry.after_s, now)
        case q.DeadLetterDelivery():
            tried = row.but(attempts=noted(row, entry.outcome, entry.failure))
            buried = _buried(tried, entry.reason, now, entry.public)
            return Turn(buried, q.Settled(held=True), Delete(), died=True, ended=False)
        case q.CancelDelivery():
            return Turn(_ended(row, State.CANCELLED, now), q.Settled(held=True), Delete())
        case _:
            return _paused(row, 0.0, now)


def goes_on(row: Row, entry: f.ContinueDelivery, now: float, *, anew: bool) -> Turn:
    """It waits for its new message, which is yet to be sent, and the old one is not needed then; else for the old one."""
    back = given_back(row, now)
    if back.is_open:
        back = another_body(back, entry.body).but(unsent=anew)
    return Turn(back, q.Settled(held=True), Show(0.0) if back.is_open and not anew else Delete())


def another_body(row: Row, body: str) -> Row:
    """With another body than it had; a large one is kept beside the row."""
    return row.but(body=None if is_large(body) else body, edited=True)


def _paused(row: Row, asked_s: float, now: float, *, charge: bool = False) -> Turn:
    after_s = min(max(asked_s, 0.0), MAX_PAUSE_S)
    back = given_back(row, now, after_s, charge=charge)
    answer = q.Settled(held=True, after_s=after_s if after_s < asked_s else None)
    return Turn(back, answer, Show(after_s) if back.is_open else Delete())


def given_back(row: Row, now: float, after_s: float = 0.0, *, charge: bool = False) -> Row:
    """Waiting again; one whose cancellation was asked for ends here."""
    if row.record.cancel_requested:
        return _ended(row, State.CANCELLED, now)
    attempt = row.record.attempt + charge
    return row.but(
        record={"state": State.WAITING, "visible_at": now + after_s, "attempt": attempt}, receipt=None
    )


def _ended(row: Row, state: State, now: float, **changes: Any) -> Row:
    return row.but(record={"state": state, "finished_at": now, **changes}, receipt=None, unsent=False)


def _buried(row: Row, reason: Reason, now: float, public: str | None = None) -> Row:
    attempt = min(row.record.attempt, row.max_attempts)
    return _ended(row, State.DEAD, now, reason=reason, public=public, attempt=attempt)


def lease_ended(row: Row, now: float) -> Turn:
    """L3: the lease of a delivery ended before it was settled: one attempt later, or dead.

    One that got on costs no attempt. Its process was most likely killed, and the next delivery goes on behind it.
    """
    began = row.record.started_at or now
    failure = Failure("LeaseExpired", "its lease ended before it was settled", started_at=began, ended_at=now)
    tried = row.but(attempts=noted(row, "lease_expired", failure))
    lapsed = tried.but(lapsed_at=_place(row))
    got_on = _got_on(row)
    endless = sum(each.outcome == "lease_expired" for each in tried.attempts) >= MAX_CRASHES
    spent = endless or (not got_on and row.record.attempt >= row.max_attempts)
    if spent and not row.record.cancel_requested:
        return Turn(_buried(lapsed, Reason.USED_UP, now), None, died=True, ended=False)
    return Turn(given_back(lapsed, now, charge=not got_on), None, ended=False)


def _got_on(row: Row) -> bool:
    """The delivery that runs has come further than the one whose lease ended before it."""
    began, progressed = row.record.started_at, row.record.progressed_at
    return (
        began is not None and progressed is not None and progressed >= began and _place(row) != row.lapsed_at
    )


def _place(row: Row) -> list[Any]:
    return [row.record.cursor, row.record.done]


def moved_away(row: Row, now: float) -> Turn:
    """SQS has moved it to its dead-letter queue: it was handed out too often."""
    began = row.record.started_at or now
    failure = Failure(
        "UsedUp",
        f"SQS handed it out until its redrive policy took it away; {row.record.deliveries} deliveries are on record",
        started_at=began,
        ended_at=now,
    )
    tried = row.but(attempts=noted(row, "used_up", failure))
    return Turn(_buried(tried, Reason.USED_UP, now), None, died=True, ended=False)


def used_up(row: Row, now: float) -> Turn:
    """L8: nothing is left of its attempts."""
    return Turn(_buried(row, Reason.USED_UP, now), None, died=True)


def handed_out(row: Row, entry: q.Receive, fence: str, now: float) -> Row:
    """It runs from now on."""
    record = {
        "state": State.RUNNING,
        "deliveries": row.record.deliveries + 1,
        "started_at": now,
        "visible_at": now + entry.lease_s,
        "worker": entry.worker,
    }
    return row.but(record=record, receipt=fence, unsent=False)


# By a human, by its id


def cancel_message(row: Row, now: float) -> Turn:
    """A waiting one at once, a running one at its next checkpoint."""
    match row.record.state:
        case State.WAITING:
            row = _ended(row, State.CANCELLED, now)
        case State.RUNNING:
            row = row.but(record={"cancel_requested": True})
        case _:
            pass
    return Turn(row, row.record.state)


def redrive(row: Row, entry: q.Redrive, now: float) -> Turn:
    """A dead one waits again, with all attempts new; SQS has yet to hear of it."""
    if row.record.state is not State.DEAD:
        return Turn(row, row.record.state)
    fresh: dict[str, Any] = {
        "state": State.WAITING,
        "visible_at": now,
        "attempt": 1,
        "finished_at": None,
        "reason": None,
        "public": None,
        "cancel_requested": False,
    }
    if entry.body is not None:
        fresh |= {"cursor": None, "done": None, "total": None, "progressed_at": None}
    digest = (entry.digest if entry.body is not None else None) or row.digest
    group = entry.group or row.group
    back = keyed(row, entry).but(
        record=fresh, digest=digest, group=group, receipt=None, waits_since=None, unsent=True, lapsed_at=None
    )
    return Turn(back, State.WAITING)


def keyed(row: Row, entry: q.Redrive) -> Row:
    """Under the unique key that it is sent back with."""
    return row if entry.unique_key is None else row.but(record={"unique_key": entry.unique_key})


def discard(row: Row, now: float) -> Turn:
    """What a dead one holds is deleted."""
    if row.record.state is not State.DEAD:
        return Turn(row, row.record.state)
    ended = _ended(row, State.DISCARDED, now, reason=None)
    return Turn(ended.but(body="", blobs=(), attempts=()), State.DISCARDED)


def as_json(value: Any) -> Any:
    """What JSON makes of it, as in a queue that stores text.

    Raises:
        ValueError: nothing.
        TypeError: the same.
    """
    return json.loads(json.dumps(value, allow_nan=False))


def refused_digest(message_id: str) -> SendRefused:
    """A second send of an id with something else."""
    return SendRefused(
        f"message {message_id} is stored already with another task or other arguments: "
        "nothing was stored; send under a new id",
        [message_id],
    )
