"""Opens a file for one model: what it holds, how it is written, and which of its columns are what. Loads pydantic."""

from __future__ import annotations

from dataclasses import dataclass

from twolane.csvfile.archive import Contents, contents_of
from twolane.csvfile.columns import Match, Matcher, refuse_missing
from twolane.csvfile.cursor import Cursor
from twolane.csvfile.errors import CsvError
from twolane.csvfile.head import Head, read_head
from twolane.csvfile.limits import Limits
from twolane.csvfile.options import Options
from twolane.csvfile.report import Report
from twolane.csvfile.source import BinaryReader


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose head was read."""

    contents: Contents
    head: Head
    match: Match
    header: bool

    def refuse(self) -> None:
        """Raise CsvError where the file lacks columns that the model requires, or has none it knows."""
        refuse_missing(self.match, self.head.first_row, header=self.header)

    def report(self) -> Report:
        """Return what the head tells, and why the file is refused where that shows already."""
        try:
            self.refuse()
            refused = None if self.head.has_rows else "The file has a header row, but no rows below it."
        except CsvError as error:
            refused = str(error)
        return Report(
            refused=refused,
            encoding=self.head.encoding.label,
            dialect=self.head.dialect,
            columns={column.label: column.field for column in self.match.columns},
            missing=self.match.missing,
            extra=self.match.extra,
        )


def open_for(
    matcher: Matcher, reader: BinaryReader, options: Options, limits: Limits, cursor: Cursor | None = None
) -> Opened:
    """Read the head of an upload; what `cursor` knows of it is not told anew.

    Raises:
        CsvError: what it holds is no CSV file.
    """
    contents = contents_of(reader, limits)
    known = (cursor.encoding, cursor.dialect) if cursor else None
    head = read_head(contents, options, limits, matcher.fits, known)
    return Opened(contents, head, matcher.match(head.first_row), options.header)
