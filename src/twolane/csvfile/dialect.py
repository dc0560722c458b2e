"""How a file separates and quotes its fields: the value, and how it is told from the head of a file."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from twolane.csvfile.encoding import Encoding
from twolane.csvfile.grammar import Grammar, grammar_of
from twolane.values.errors import UsageError

_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_BY_NAME: Final = {name: delimiter for delimiter, name in _NAMES.items()}
_SAMPLE_BYTES = 65_536
_SAMPLE_RECORDS = 50
_SEPARATOR_LINE = re.compile(rb'"?sep=([,;\t|])"?(?:\r\n?|\n)')

Fits: TypeAlias = Callable[[Sequence[str]], int]
"""How many columns of the model a header row would give."""


@dataclass(frozen=True, slots=True)
class Dialect:
    r"""How the fields of a file are told apart.

    Args:
        delimiter: what stands between two fields: ",", ";", "\t" or "|".
        quoted: whether a `"` at the beginning of a field opens a quoted one, in which a `"` is doubled.

    Raises:
        UsageError: the delimiter is none of these four.
    """

    delimiter: str = ","
    quoted: bool = True

    def __post_init__(self) -> None:
        if self.delimiter not in _NAMES:
            raise UsageError(
                f"A Dialect's delimiter is one of ',', ';', '\\t' and '|', not {self.delimiter!r}."
            )

    @property
    def name(self) -> str:
        """The delimiter in words: comma, semicolon, tab or pipe."""
        return _NAMES[self.delimiter]

    @property
    def token(self) -> str:
        """The dialect as a cursor names it."""
        return self.name if self.quoted else f"{self.name}.plain"

    @property
    def grammar(self) -> Grammar:
        """What cuts a file of this dialect into records."""
        return grammar_of(self.delimiter.encode(), quoted=self.quoted)

    def parser(self, lines: Iterable[str], *, strict: bool = True) -> Iterator[list[str]]:
        """Return a reader of the fields of each of `lines`; where it is not strict, any quotes will do."""
        if self.quoted:
            return csv.reader(lines, delimiter=self.delimiter, strict=strict)
        return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=strict)


def dialect_of(token: str) -> Dialect | None:
    """Return the dialect that a cursor names, None if there is no such."""
    name, dot, plain = token.partition(".")
    if name not in _BY_NAME or (dot and plain != "plain"):
        return None
    return Dialect(_BY_NAME[name], quoted=not dot)


def named_by_excel(start: bytes) -> tuple[Dialect, int] | None:
    """Return what a first line such as `sep=;` says, as Excel writes it, and how many bytes it takes."""
    found = _SEPARATOR_LINE.match(start)
    return (Dialect(found[1].decode()), found.end()) if found else None


def told_by(start: bytes, encoding: Encoding, fits: Fits) -> Dialect:
    """Return the dialect in which `start`, the text from the header on, makes most sense.

    That is the one whose first row gives most columns of the model, then the one whose rows agree most
    on a number of fields above one, then the one with most fields; where nothing tells, the comma.
    """

    def sense(dialect: Dialect) -> tuple[int, float, int]:
        rows = _rows(start, dialect, encoding)
        if not rows or not rows[0]:
            return (-1, 0, 0)
        width = len(rows[0])
        agreeing = sum(row is not None and len(row) == width for row in rows) / len(rows)
        return (fits(rows[0]), agreeing if width > 1 else 0, width)

    return max(map(Dialect, _NAMES), key=sense)


def _rows(start: bytes, dialect: Dialect, encoding: Encoding) -> list[list[str] | None]:
    """Return the first rows as `dialect` reads them, None for each it cannot; blank lines are left out.

    The first row is read even where its quotes are broken: whose dialect it is shows all the same.
    """
    records = dialect.grammar.piece.findall(start[:_SAMPLE_BYTES])
    if len(start) > _SAMPLE_BYTES and len(records) > 1:
        del records[-1]  # perhaps cut in two
    rows: list[list[str] | None] = []
    for record in records[:_SAMPLE_RECORDS]:
        text = record.decode(encoding.text_codec, "replace")
        try:
            row = next(dialect.parser([text], strict=bool(rows)))
        except csv.Error:
            rows.append(None)
        else:
            rows += [row] * bool(row)
    return rows
