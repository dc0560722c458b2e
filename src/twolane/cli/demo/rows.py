"""The rows of a file as the standard library sees them: the demo does not ask twolane what it should find."""

from __future__ import annotations

import csv
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from twolane.cli.demo.failure import DemoFailed


class Row(NamedTuple):
    """A row: the line it begins on, its fields by column, and the byte behind it."""

    line: int
    fields: dict[str, str]
    end_bytes: int


def rows(file: Path) -> Iterator[Row]:
    """Every row of a file behind its header; blank lines are no rows.

    Raises:
        DemoFailed: the standard library cannot read it.
    """
    before = csv.field_size_limit(sys.maxsize)
    end_bytes = 0

    def lines() -> Iterator[str]:
        nonlocal end_bytes
        with file.open("rb") as source:
            for line in source:
                end_bytes += len(line)
                yield line.decode("utf-8-sig" if end_bytes == len(line) else "utf-8", "surrogateescape")

    reader = csv.reader(lines())
    names: list[str] = []
    begin = 1
    try:
        for fields in reader:
            if fields and names:
                yield Row(begin, dict(zip(names, fields, strict=False)), end_bytes)
            names = names or fields
            begin = reader.line_num + 1
    except csv.Error as error:
        raise DemoFailed(f"{file}, line {begin}: the demo cannot count its rows ({error})") from error
    finally:
        csv.field_size_limit(before)  # the process's own: twolane's reader goes by it


class Ends:
    """Where each row of a file ends, to turn rows into bytes and back."""

    def __init__(self, file: Path) -> None:
        self._ends = array("q", (row.end_bytes for row in rows(file)))

    def __len__(self) -> int:
        return len(self._ends)

    def bytes_of(self, row: int) -> int:
        """The byte behind row number `row`, from 1."""
        return self._ends[row - 1]

    def rows_within(self, size_bytes: float) -> int:
        """How many rows end within the first `size_bytes`."""
        return bisect_right(self._ends, size_bytes)
