"""What one task asks of SQS, of a function and of its record."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from twolane.price.load import Load
from twolane.price.meters import ZERO
from twolane.price.services import BATCH, CALL_BYTES, GB, KB, LAMBDA_S, chunks, gb_seconds

ENVELOPE_BYTES = 512
"""What a message has beside its arguments."""
ROW_BYTES = 700
"""What a record has beside its arguments."""
LARGE_BYTES = 240 * KB
"""Larger arguments go to S3; the message names them."""
INLINE_BYTES = 2 * KB
"""Larger bodies are an item of their own beside the record, written once."""
PART_BYTES = 5 * 2**20
"""Larger blobs are uploaded in parts of this size."""
EXTENDED_EVERY_S = 20
"""A lease is extended so often while a task runs."""


def is_large(load: Load) -> bool:
    """Whether its arguments go to S3."""
    return load.payload_bytes > LARGE_BYTES


def puts(load: Load) -> Fraction:
    """PUT requests of one blob: an upload in parts has one for each, one to begin and one to complete."""
    if not is_large(load):
        return ZERO
    return Fraction(1 if load.payload_bytes <= PART_BYTES else 2 + ceil(load.payload_bytes / PART_BYTES))


class Calls:
    """What one task of a load asks of SQS, of the function and of its record.

    Args:
        load: the task.
        burst: how many arrive together.
        chunk_bytes: of one billed request.
        in_turn: a batch's tasks run one after another, as in a function; else side by side, as in a worker.
    """

    def __init__(self, load: Load, burst: int, chunk_bytes: Fraction, *, in_turn: bool) -> None:
        self.load = load
        self._body = ENVELOPE_BYTES + (ZERO if is_large(load) else load.payload_bytes)
        self._chunk = chunk_bytes
        most = min(BATCH, burst, floor(CALL_BYTES / self._body))
        whole = floor(EXTENDED_EVERY_S / load.duration_s) if load.duration_s else BATCH
        self._sent = most
        self.taken = max(1, min(most, whole)) if in_turn else most
        self.parts = max(1, ceil(load.duration_s / LAMBDA_S)) if in_turn else 1
        beats = max(0, ceil(load.duration_s / EXTENDED_EVERY_S) - 1)
        self.heartbeats = load.attempts * (beats if self.taken == 1 or not in_turn else 0)
        self._row_units = ceil((ROW_BYTES + (ZERO if self._body > INLINE_BYTES else self._body)) / KB)

    def _as_requests(self, messages: int) -> Fraction:
        return Fraction(chunks(messages, self._body, self._chunk), messages)

    @property
    def sends(self) -> Fraction:
        """Requests to send it."""
        return self._as_requests(self._sent) * self.parts

    @property
    def first_takes(self) -> Fraction:
        """Calls that hand over, run or delete a batch, but for retries: its share of one task."""
        return Fraction(self.parts, self.taken)

    @property
    def receives(self) -> Fraction:
        """Requests to receive it once."""
        return self._as_requests(self.taken) * self.parts

    @property
    def more_takes(self) -> Fraction:
        """The same for retries."""
        return (self.load.attempts - 1) * self.first_takes

    @property
    def retry_requests(self) -> Fraction:
        """Received once more, after a change of visibility."""
        return (self.load.attempts - 1) * (self.receives + Fraction(1, self.taken))

    @property
    def dead_requests(self) -> Fraction:
        """Sent to the dead-letter queue, received there by the watch and deleted."""
        return self.load.dead * (2 * self._as_requests(1) + 1)

    def gb_s(self, memory_bytes: Fraction) -> Fraction:
        """GB-seconds of one attempt: its share of a batch's run."""
        return gb_seconds(memory_bytes, self.load.duration_s * self.taken) / self.taken

    # The record: an item, and an entry in the one index that lists what waits and what runs. A change that moves
    # the entry writes the item, deletes the entry and puts another one.

    @property
    def record_writes(self) -> Fraction:
        """Write units of a task that goes well."""
        stored, started, done = self._row_units + 1, self._row_units + 2, self._row_units + 1
        apart = ceil(self._body / KB) if self._body > INLINE_BYTES else 0
        return Fraction((stored + started + done) * self.parts + apart)

    @property
    def retry_writes(self) -> Fraction:
        """Write units of its retries: each ends one attempt and starts another."""
        return (self.load.attempts - 1) * 2 * (self._row_units + 2)

    @property
    def heartbeat_writes(self) -> Fraction:
        """Write units of its heartbeats."""
        return self.heartbeats * (self._row_units + 2)

    @property
    def record_reads(self) -> Fraction:
        """Read units, one read an attempt."""
        return self.load.attempts * self.parts * ceil(Fraction(self._row_units, 4))

    @property
    def record_gb(self) -> Fraction:
        """The GB it takes while it is kept."""
        return (ROW_BYTES + self._body) / Fraction(GB)
