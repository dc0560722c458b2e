"""Cuts a stream of bytes into CSV records, as bytes: large reads, one regular expression, constant memory.

A record ends at the first line end outside quotes, and a quote opens a field only as its first
character: exactly where the `csv` module ends one. So a record is later parsed, decoded and refused
alone, and a broken one never moves the borders of its neighbours. Nothing here decodes or judges.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from twolane.csvfile.source import BinaryReader, read_fully

BLOCK_BYTES = 262_144
SHOWN_BYTES = 1_000

# Possessive throughout: nothing is tried twice, and a million commas cost no stack.
# No repeated group can fail half-way either, which Python before 3.11.5 does not undo (gh-106052).
_IN_QUOTES = rb'"[^"]*+(?:""[^"]*+)*+'
_FIELD = rb"(?:" + _IN_QUOTES + rb'(?:"|\Z)|(?!"))[^,\r\n]*+'
_LINE_END = rb"(?:\r\n?+|\n)"
_RECORD = _FIELD + rb"(?:," + _FIELD + rb")*+" + _LINE_END
_PIECE = re.compile(rb'[^"\r\n]*+' + _LINE_END + rb"|" + _RECORD + rb"|(?s:.++)")
_COMPLETE = re.compile(_RECORD)

# The fields before a quote that stays open; asked only for the line of a quote in a reason.
_CLOSED = rb"(?:" + _IN_QUOTES + rb'"|(?!"))[^,\r\n]*+'
_CLOSED_FIELDS = re.compile(rb"(?:" + _CLOSED + rb"(?:," + _CLOSED + rb")*+,?+)?+")


@dataclass(frozen=True, slots=True)
class Oversized:
    """A record above the limit: as much of it as shows that, and how much of the file it covers."""

    start: bytes
    size_bytes: int
    lines: int


def split(
    reader: BinaryReader, max_record_bytes: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[list[bytes] | Oversized]:
    """Yield the records from the reader's position on, line ends included: lists of them, or one oversized.

    The last record may lack its line end or its closing quote. A record that fits into one read is
    listed even where it is above the limit. Joined, everything yielded covers every byte.
    """
    tail = b""
    while block := _read_block(reader, max(block_bytes, len(tail))):
        *records, tail = _PIECE.findall(tail + block)
        if records:
            yield records
        if len(tail) > max_record_bytes:
            oversized, tail = _pass_over(reader, tail, max_record_bytes, block_bytes)
            yield oversized
    if tail:
        yield _PIECE.findall(tail)


def first_record(data: bytes, start: int = 0) -> bytes:
    """Return the record that begins at `start`, or all of the rest if it does not end."""
    found = _PIECE.match(data, start)
    return found.group() if found else b""


def unclosed_quote(record: bytes) -> int | None:
    """Return where the quote stands that this record, or beginning of one, leaves open; None if none is."""
    if not _is_open(record):
        return None
    closed = _CLOSED_FIELDS.match(record)
    return closed.end() if closed else 0


def count_line_ends(data: bytes) -> int:
    """Return the number of line ends; CRLF is one."""
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


def count_lines(data: bytes) -> int:
    """Return the number of physical lines, counting a last one without its line end."""
    return count_line_ends(data) + (not data.endswith((b"\n", b"\r")))


def _read_block(reader: BinaryReader, size_bytes: int) -> bytes:
    """Read a block that does not cut a CRLF in two, so that lines can be counted block by block."""
    block = read_fully(reader, size_bytes)
    if block.endswith(b"\r"):
        following = reader.read(1)
        if following == b"\n":
            return block + following
        reader.seek(-len(following), os.SEEK_CUR)
    return block


def _pass_over(
    reader: BinaryReader, tail: bytes, max_record_bytes: int, block_bytes: int
) -> tuple[Oversized, bytes]:
    """Read to the end of an oversized record without keeping it; return it and what was read behind it."""
    start = tail[: max_record_bytes + 1]
    size_bytes, line_ends, piece = len(tail), count_line_ends(tail), tail
    while block := _read_block(reader, block_bytes):
        stub = _stub(piece)
        piece = first_record(stub + block)
        covered = block[: len(piece) - len(stub)]
        size_bytes += len(covered)
        line_ends += count_line_ends(covered)
        if len(covered) < len(block):
            return Oversized(start, size_bytes, line_ends), block[len(covered) :]
    unended = not piece.endswith((b"\n", b"\r"))
    return Oversized(start, size_bytes, line_ends + unended), b""


def _stub(piece: bytes) -> bytes:
    """Return a beginning of a record, of three bytes at most, after which any text means what it means after `piece`.

    The quotes at the end are kept, an odd or an even run of them: the next byte tells whether they close.
    """
    if _COMPLETE.fullmatch(piece):
        return piece[-1:]
    body = piece.rstrip(b'"')
    run = len(piece) - len(body)
    quotes = b'"' * (2 - run % 2) if run else b""
    if _is_open(body):
        return b'"' + quotes
    return quotes if not body or body.endswith(b",") else b"x" + quotes


def _is_open(record: bytes) -> bool:
    return not (_COMPLETE.fullmatch(record) or _COMPLETE.fullmatch(record + b"\n"))
