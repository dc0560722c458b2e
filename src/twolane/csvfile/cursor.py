"""A place between two records of one file, and the cursor that names it across processes.

csv2-1048590-11343-11342-utf_8-comma-9f86d081884c7d65
│    │       │     │     │     │     └ fingerprint of the upload's size and header
│    │       │     │     │     └ dialect
│    │       │     │     └ encoding: what was told once is not told again, perhaps otherwise
│    │       │     └ rows before it, rejected ones included
│    │       └ physical lines before it
│    └ bytes of the CSV file before it, unpacked if it came in an archive
└ version of this form

csv1 had neither encoding nor dialect: all was UTF-8 with commas. It is still understood, so that an import
that is under way goes on through an upgrade.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from twolane.csvfile.archive import Contents
from twolane.csvfile.dialect import Dialect, dialect_of
from twolane.csvfile.encoding import ENCODINGS, UTF_8, Encoding
from twolane.csvfile.errors import CursorRefused
from twolane.csvfile.head import Head
from twolane.csvfile.options import Options

_VERSION = "csv2"
_PLACE = r"([0-9]{1,15})-([0-9]{1,15})-([0-9]{1,15})-"
_FORM = re.compile(_VERSION + "-" + _PLACE + r"([a-z0-9_]+)-([a-z.]+)-([0-9a-f]{16})")
_FIRST_FORM = re.compile(r"csv1-" + _PLACE + r"([0-9a-f]{16})")
_OTHER_VERSION = re.compile(r"(?!csv[12]-)csv[0-9]+-.*")


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
        place = f"{self.offset_bytes}-{self.lines}-{self.rows}"
        return f"{_VERSION}-{place}-{head.encoding.codec}-{head.dialect.token}-{head.fingerprint}"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A cursor taken apart."""

    position: Position
    encoding: Encoding
    dialect: Dialect
    fingerprint: str

    def place_in(self, head: Head, contents: Contents) -> Position:
        """Return its place in the file of `head`.

        Raises:
            CursorRefused: it was made from another file.
        """
        here = self.position.offset_bytes
        beyond = contents.archive is None and here > contents.size_bytes
        if self.fingerprint != head.fingerprint or here < head.end_bytes or beyond:
            raise CursorRefused(
                "The file has changed since this cursor was made: start anew, or with the same file."
            )
        return self.position


def cursor_of(text: object, options: Options) -> Cursor:
    """Take a cursor apart.

    Raises:
        CursorRefused: it is no cursor, or was made with another encoding or dialect than `options` ask for.
    """
    cursor = _parsed(text)
    if cursor is None:
        if isinstance(text, str) and _OTHER_VERSION.fullmatch(text):
            raise CursorRefused(
                f"The cursor {text[:60]!r} is of another version than {_VERSION}: start anew."
            )
        raise CursorRefused(
            f"{text!r:.60} is no cursor of csvfile.read: give it chunk.cursor, or None to start."
        )
    asked = {cursor.encoding.codec, "utf_16"} if cursor.encoding.is_wide else {cursor.encoding.codec}
    if options.encoding is not None and options.encoding not in asked:
        raise CursorRefused(
            f"This cursor was made while the file was read as {cursor.encoding.codec}, "
            f"and now encoding={options.encoding!r} is asked for: start anew."
        )
    if options.dialect not in {None, cursor.dialect}:
        raise CursorRefused(
            f"This cursor was made while the file was read with {cursor.dialect}, "
            f"and now {options.dialect} is asked for: start anew."
        )
    return cursor


def _parsed(text: object) -> Cursor | None:
    if not isinstance(text, str):
        return None
    if found := _FIRST_FORM.fullmatch(text):
        return Cursor(_position(found), UTF_8, Dialect(), found[4])
    if found := _FORM.fullmatch(text):
        encoding, dialect = ENCODINGS.get(found[4]), dialect_of(found[5])
        if encoding is not None and dialect is not None:
            return Cursor(_position(found), encoding, dialect, found[6])
    return None


def _position(found: re.Match[str]) -> Position:
    return Position(int(found[1]), int(found[2]), int(found[3]))
