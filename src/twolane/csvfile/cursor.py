"""A place between two records of one file, and the cursor that names it across processes.

csv1-1048590-11343-11342-9f86d081884c7d65
│    │       │     │     └ fingerprint of the file's header and size
│    │       │     └ rows before it, rejected ones included
│    │       └ physical lines before it
│    └ bytes before it
└ version of this form
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from twolane.csvfile.errors import CursorRefused
from twolane.csvfile.head import Head

_VERSION = "csv1"
_FORM = re.compile(_VERSION + r"-([0-9]{1,15})-([0-9]{1,15})-([0-9]{1,15})-([0-9a-f]{16})")
_OTHER_VERSION = re.compile(rf"(?!{_VERSION}-)csv[0-9]+-.*")


@dataclass(frozen=True, slots=True)
class Position:
    """How much of a file lies behind: bytes, physical lines, rows (rejected ones included)."""

    offset_bytes: int
    lines: int
    rows: int

    def moved(self, *, size_bytes: int, lines: int, rows: int) -> Position:
        """Return the place that much further on."""
        return Position(self.offset_bytes + size_bytes, self.lines + lines, self.rows + rows)

    def cursor(self, head: Head) -> str:
        """Return the cursor of this place in the file of `head`."""
        return f"{_VERSION}-{self.offset_bytes}-{self.lines}-{self.rows}-{head.fingerprint}"


def position_of(cursor: object, head: Head) -> Position:
    """Return the place that `cursor` names in the file of `head`; None names the first record.

    Raises:
        CursorRefused: it is no cursor of this version, or was made from another file.
    """
    if cursor is None:
        return Position(head.end_bytes, head.lines, 0)
    found = _FORM.fullmatch(cursor) if isinstance(cursor, str) else None
    if found is None:
        if isinstance(cursor, str) and _OTHER_VERSION.fullmatch(cursor):
            raise CursorRefused(
                f"The cursor {cursor[:60]!r} is of another version than {_VERSION}: start anew."
            )
        raise CursorRefused(
            f"{cursor!r:.60} is no cursor of csvfile.read: give it chunk.cursor, or None to start."
        )
    offset_bytes, lines, rows = (int(number) for number in found.groups()[:3])
    if found[4] != head.fingerprint or not head.end_bytes <= offset_bytes <= head.size_bytes:
        raise CursorRefused(
            "The file has changed since this cursor was made: start anew, or with the same file."
        )
    return Position(offset_bytes, lines, rows)
