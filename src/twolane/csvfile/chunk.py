"""What `read` yields: a chunk of typed rows, and beside them the rows that could not be taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rejected:
    r"""A row that was not taken. As text it is "line 4,812: dep_time must be a whole number, got '25h'".

    Args:
        line: the physical line its record begins on; the file's first line is 1.
        reason: one sentence for the customer, such as "dep_time must be a whole number, got '25h'".
        raw: the record as it stands in the file, without its line end. Bytes that are no text are shown
            as `\xe9`; of a record above `max_record_bytes` only the first 1,000 bytes are kept.
    """

    line: int
    reason: str
    raw: str

    def __str__(self) -> str:
        return f"line {self.line:,}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Chunk(Generic[T]):
    """Some records of the file, in order. Both lists are empty where the file has only blank lines.

    Args:
        rows: the valid rows.
        rejected: the others, by line.
        cursor: opaque; given to `read` as `start`, it goes on exactly behind this chunk.
        line: the last physical line read so far; the file's first line is 1.
        offset_bytes: bytes of the uploaded file read so far, header included; at the end the size of the file.
            In an archive they are those of the packed bytes, to about 64 KiB of what they unpack to.
    """

    rows: list[T]
    rejected: list[Rejected]
    cursor: str
    line: int
    offset_bytes: int
