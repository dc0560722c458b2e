"""What `check` and `check_head` found out about a file without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twolane.csvfile.chunk import Rejected
from twolane.csvfile.dialect import Dialect


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a file before its import.

    Args:
        refused: why the file as a whole cannot be imported, a sentence for the customer; None if it can.
        problems: the first rows that would be rejected, by line.
        rows: how many rows were looked at, rejected ones included.
        complete: whether that was all of the file, and `problems` are all there are.
        encoding: of its text, such as "UTF-8"; None where the file is no text.
        dialect: how its fields are told apart; None where the file is no text.
        columns: the fields of the model, by the names of the columns they are read from.
        missing: columns that the model requires and the file lacks.
        extra: columns that are ignored.
    """

    refused: str | None = None
    problems: tuple[Rejected, ...] = ()
    rows: int = 0
    complete: bool = False
    encoding: str | None = None
    dialect: Dialect | None = None
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether all of the file was looked at and every row of it would be imported."""
        return self.complete and self.refused is None and not self.problems
