"""What a customer sees of an import: the store knows its rows, the queue's record how it fares."""

from datetime import datetime

from pydantic import BaseModel

from twolane import Record, State

from .models import Import

WORDS = {
    State.WAITING: "waiting",
    State.RUNNING: "running",
    State.DONE: "done",
    State.CANCELLED: "cancelled",
    State.DEAD: "failed",  # our people have been told
    State.DISCARDED: "failed",
}


class Progress(BaseModel):
    """How far an import is.

    Attributes:
        state: waiting, running, cancelling, done, cancelled or failed.
        rows: done so far, imported and rejected.
        percent: of the file's bytes; None: it has not begun.
        rows_per_s: of the attempt that runs; None: it has done nothing yet.
        seconds_left: a guess from that rate; None where there is none.
        took_s: from the upload to the end; None: it is not over.
        attempt: the number of the attempt, from 1; a crash uses up none while the import gets on.
        crashes: how often its worker died, where the queue can tell: SQS cannot.
        resumed_at_row: where the latest attempt went on; None: it is the first.
        problem: why not all of the file was read; None: it was, or may yet be.
    """

    id: str
    name: str
    uploaded_at: datetime
    state: str
    rows: int
    imported: int
    rejected: int
    percent: float | None = None
    rows_per_s: float | None = None
    seconds_left: float | None = None
    took_s: float | None = None
    attempt: int = 1
    crashes: int = 0
    resumed_at_row: int | None = None
    problem: str | None = None

    @property
    def is_over(self) -> bool:
        """Nothing more becomes of it by itself."""
        return self.state in ("done", "cancelled", "failed")

    @property
    def ended_badly(self) -> bool:
        """Its file may be uploaded again."""
        return self.state in ("cancelled", "failed")


def progress_of(its: Import, record: Record | None) -> Progress | None:
    """How far an import is; None: the queue has no message of it, and it has not come to its end."""
    if record is None and its.finished_at is None:
        return None
    ended_at = its.finished_at or (record.finished_at if record else None)
    rate = _rows_per_s(its, record) if record else None
    done = _part_done(its, record)
    return Progress(
        id=its.id,
        name=its.name,
        uploaded_at=its.uploaded_at,
        state=_state(its, record),
        rows=its.rows,
        imported=its.imported,
        rejected=its.rejected,
        percent=done and done * 100,
        rows_per_s=rate,
        seconds_left=its.rows / done * (1 - done) / rate if done and rate else None,
        took_s=(ended_at - its.uploaded_at).total_seconds() if ended_at else None,
        attempt=record.attempt if record else 1,
        crashes=record.crashes if record else 0,
        resumed_at_row=its.begun_at_row + 1 if its.begun_at_row else None,
        problem=its.problem or (record.public if record else None),
    )


def _state(its: Import, record: Record | None) -> str:
    if its.problem:
        return "failed"
    if its.finished_at or record is None:
        return "done"  # the record may be a moment behind, or long forgotten
    if record.cancel_requested and record.state in (State.WAITING, State.RUNNING):
        return "cancelling"
    return WORDS[record.state]


def _part_done(its: Import, record: Record | None) -> float | None:
    """Of the file's bytes, from 0 to 1."""
    if its.finished_at and not its.problem:
        return 1.0
    if record is None or record.done is None or not record.total:
        return None
    return record.done / record.total


def _rows_per_s(its: Import, record: Record) -> float | None:
    """The rows of the attempt that runs, by the time from its begin to its latest checkpoint."""
    began, latest = record.started_at, record.progressed_at
    rows = its.rows - (its.begun_at_row or 0)
    if its.finished_at or record.state is not State.RUNNING:
        return None
    if not began or not latest or latest <= began or rows <= 0:
        return None
    return rows / (latest - began).total_seconds()
