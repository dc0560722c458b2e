"""Where a record ends, in each dialect, as regular expressions over bytes.

A record ends at the first line end outside quotes, and a quote opens a field only as its first
character: exactly where the `csv` module ends one. Nothing here decodes or judges.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

# Possessive throughout: nothing is tried twice, and a million commas cost no stack.
# No repeated group can fail half-way either, which Python before 3.11.5 does not undo (gh-106052).
_IN_QUOTES = rb'"[^"]*+(?:""[^"]*+)*+'
_LINE_END = rb"(?:\r\n?+|\n)"


@dataclass(frozen=True, slots=True)
class Grammar:
    """The records of one dialect.

    Args:
        delimiter: the byte between two fields.
        piece: matches a whole record with its line end, else all of the rest.
        complete: matches a whole record with its line end only.
        closed_fields: matches the fields before a quote that stays open.
    """

    delimiter: bytes
    piece: re.Pattern[bytes]
    complete: re.Pattern[bytes]
    closed_fields: re.Pattern[bytes]

    def first_record(self, data: bytes, start: int = 0) -> bytes:
        """Return the record that begins at `start`, or all of the rest if it does not end."""
        found = self.piece.match(data, start)
        return found.group() if found else b""

    def unclosed_quote(self, record: bytes) -> int | None:
        """Return where the quote stands that this record, or beginning of one, leaves open; None if none is."""
        if not self._is_open(record):
            return None
        closed = self.closed_fields.match(record)
        return closed.end() if closed else 0

    def stub(self, piece: bytes) -> bytes:
        """Return a beginning of a record, of three bytes at most, after which any text means what it means after `piece`.

        The quotes at the end are kept, an odd or an even run of them: the next byte tells whether they close.
        """
        if self.complete.fullmatch(piece):
            return piece[-1:]
        body = piece.rstrip(b'"')
        run = len(piece) - len(body)
        quotes = b'"' * (2 - run % 2) if run else b""
        if self._is_open(body):
            return b'"' + quotes
        return quotes if not body or body.endswith(self.delimiter) else b"x" + quotes

    def _is_open(self, record: bytes) -> bool:
        return not (self.complete.fullmatch(record) or self.complete.fullmatch(record + b"\n"))


@cache
def grammar_of(delimiter: bytes, *, quoted: bool) -> Grammar:
    """Return the grammar of a dialect."""
    if not quoted:
        line = rb"[^\r\n]*+" + _LINE_END
        return Grammar(
            delimiter, re.compile(line + rb"|(?s:.++)"), re.compile(line), re.compile(rb"[^\r\n]*+")
        )
    between = re.escape(delimiter)
    rest = rb"[^" + between + rb"\r\n]*+"
    field = rb"(?:" + _IN_QUOTES + rb'(?:"|\Z)|(?!"))' + rest
    record = field + rb"(?:" + between + field + rb")*+" + _LINE_END
    closed = rb"(?:" + _IN_QUOTES + rb'"|(?!"))' + rest
    return Grammar(
        delimiter,
        re.compile(rb'[^"\r\n]*+' + _LINE_END + rb"|" + record + rb"|(?s:.++)"),
        re.compile(record),
        re.compile(rb"(?:" + closed + rb"(?:" + between + closed + rb")*+" + between + rb"?+)?+"),
    )
