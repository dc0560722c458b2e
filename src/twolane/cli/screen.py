"""What a person sees: plain lines and small tables. Text from messages cannot write over the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from twolane.engine.wording import printable

WIDE = 220
"""Columns where no terminal says how many it has: nothing in a table is cut then."""


def console() -> Console:
    """Standard output."""
    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = WIDE
    return out


def line(said: str, style: str = "") -> None:
    """Print a line; a terminal breaks it where it likes."""
    console().print(text(said, style), soft_wrap=True)


def block(said: str, indent: str = "    ", style: str = "") -> None:
    """Print several lines, each indented."""
    for each in said.splitlines():
        line(indent + each.expandtabs(), style)


def fields(pairs: Iterable[tuple[str, str | None]]) -> None:
    """Print names and values below each other; what is None is left out."""
    for name, value in pairs:
        if value is not None:
            line(f"  {name:<11} {value}")


def text(said: str, style: str = "") -> Text:
    """A text that cannot write over the terminal."""
    return Text(printable(said), style)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = ()) -> None:
    """Print a table; see `made_table`."""
    console().print(made_table(headings, rows, numbers))


def made_table(headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = ()) -> Table:
    """A table.

    Args:
        headings: of the columns.
        rows: their cells.
        numbers: which columns are numbers.
    """
    made = Table(box=SIMPLE, pad_edge=False, header_style="bold")
    for heading in headings:
        justify: Literal["right", "left"] = "right" if heading in numbers else "left"
        made.add_column(heading, justify=justify, overflow="fold", no_wrap=heading == "id")
    for row in rows:
        made.add_row(*(text(cell) for cell in row))
    return made


def when(epoch_s: float | None) -> str | None:
    """A time, to the second, in UTC."""
    if epoch_s is None:
        return None
    try:
        return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{epoch_s:g} s after 1970"
