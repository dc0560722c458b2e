"""Cuts a text into CSV records, as bytes: large reads, one regular expression, constant memory.

Each record is later parsed, decoded and refused alone, so a broken one never moves the borders of its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twolane.csvfile.grammar import Grammar
from twolane.csvfile.text import Text

BLOCK_BYTES = 262_144
SHOWN_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Oversized:
    """A record above the limit: as much of it as shows that, and how much of the file it covers."""

    start: bytes
    size_bytes: int
    lines: int


def split(
    text: Text, grammar: Grammar, max_record_bytes: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[list[bytes] | Oversized]:
    """Yield the records from the text's place on, line ends included: lists of them, or one oversized.

    The last record may lack its line end or its closing quote. A record that fits into one read is
    listed even where it is above the limit. Joined, everything yielded covers every byte.
    """
    tail = b""
    while block := text.read(max(block_bytes, len(tail))):
        *records, tail = grammar.piece.findall(tail + block)
        if records:
            yield records
        if len(tail) > max_record_bytes:
            oversized, tail = _pass_over(text, grammar, tail, max_record_bytes, block_bytes)
            yield oversized
    if tail:
        yield grammar.piece.findall(tail)


def count_line_ends(data: bytes) -> int:
    """Return the number of line ends; CRLF is one."""
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


def count_lines(data: bytes) -> int:
    """Return the number of physical lines, counting a last one without its line end."""
    return count_line_ends(data) + (not data.endswith((b"\n", b"\r")))


def _pass_over(
    text: Text, grammar: Grammar, tail: bytes, max_record_bytes: int, block_bytes: int
) -> tuple[Oversized, bytes]:
    """Read to the end of an oversized record without keeping it; return it and what was read behind it."""
    measure = text.encoding.source_bytes
    start = tail[: max_record_bytes + 1]
    size_bytes, line_ends, piece = measure(tail), count_line_ends(tail), tail
    while block := text.read(block_bytes):
        stub = grammar.stub(piece)
        piece = grammar.first_record(stub + block)
        covered = block[: len(piece) - len(stub)]
        size_bytes += measure(covered)
        line_ends += count_line_ends(covered)
        if len(covered) < len(block):
            return Oversized(start, size_bytes, line_ends), block[len(covered) :]
    unended = not piece.endswith((b"\n", b"\r"))
    return Oversized(start, size_bytes, line_ends + unended), b""
