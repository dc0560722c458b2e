"""Matches the columns of a file to the fields of a pydantic model. Loads pydantic."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from twolane.csvfile.errors import CsvError, listed
from twolane.csvfile.fields import Empty, Field, fields_of
from twolane.csvfile.options import Options
from twolane.values.errors import UsageError

_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_DATA = re.compile(r"[-+]?[0-9][0-9.,:/ T+-]*")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a field of the model is read from.

    Args:
        key: by which pydantic knows the field.
        field: the field's name.
        label: the column's name in the file, as the customer knows it.
        index: its place in a row, from 0.
        empty: what an empty field becomes: None, the field's default, or the text ''.
        is_choice: whether it may be one of several types.
    """

    key: str
    field: str
    label: str
    index: int
    empty: Empty
    is_choice: bool


@dataclass(frozen=True, slots=True)
class Match:
    """What the columns of a file are to a model.

    Args:
        columns: those that fields are read from, in the order of the fields.
        missing: what required fields without a column would be called.
        extra: names of the columns that are ignored.
        width: how many columns there are.
    """

    columns: tuple[Column, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    width: int


class Matcher:
    """Matches the first row of files to one model.

    Raises:
        UsageError: `options.names` or `options.places` name what is no field of the model, or not all it requires.
    """

    def __init__(self, model: type[BaseModel], options: Options) -> None:
        self._header = options.header
        self._fields = fields_of(model, options.names)
        by_name = {field.name: field for field in self._fields}
        places = list(by_name) if options.places is None else options.places
        named = [*options.names.values(), *(name for name in places if name is not None)]
        if strangers := sorted({name for name in named if name not in by_name}):
            raise UsageError(f"columns names {listed(strangers)}: no field of {model.__name__}.")
        self._places = [None if name is None else by_name[name] for name in places]
        required = [field.name for field in self._fields if field.is_required and field not in self._places]
        if required and not options.header:
            raise UsageError(f"columns lacks {listed(required)}, which {model.__name__} requires.")

    def fits(self, first_row: Sequence[str]) -> int:
        """Return how many columns of the model a first row gives: the more, the likelier its dialect."""
        if not self._header:
            return int(len(first_row) == len(self._places))
        names = {folded(name) for name in first_row}
        return sum(any(folded(name) in names for name in field.names) for field in self._fields)

    def match(self, first_row: Sequence[str]) -> Match:
        """Return what the columns of a file are to the model.

        Raises:
            CsvError: two columns are equally right for a field.
        """
        if not self._header:
            return self._by_place(first_row)
        columns, missing = self._by_name(first_row)
        used = {column.index for column in columns}
        extra = [name for index, name in enumerate(first_row) if name and index not in used]
        return Match(tuple(columns), tuple(missing), tuple(extra), len(first_row))

    def _by_place(self, first_row: Sequence[str]) -> Match:
        placed = [(index, field) for index, field in enumerate(self._places) if field is not None]
        columns = [_column(field, field.name, index) for index, field in placed if index < len(first_row)]
        missing = [field.name for index, field in placed if index >= len(first_row) and field.is_required]
        used = {column.index for column in columns}
        extra = [f"column {index + 1}" for index in range(len(first_row)) if index not in used]
        return Match(tuple(columns), tuple(missing), tuple(extra), len(first_row))

    def _by_name(self, first_row: Sequence[str]) -> tuple[list[Column], list[str]]:
        places = _places(first_row, exactly=True)
        found = {field: at for field in self._fields if (at := _at(field, places, exactly=True))}
        taken = {index for at in found.values() for index in at}
        loosely = _places(first_row, exactly=False, without=taken)
        columns: list[Column] = []
        missing: list[str] = []
        for field in self._fields:
            at = found.get(field) or _at(field, loosely, exactly=False)
            if len(at) > 1:
                raise CsvError(_twice(field, [first_row[index] for index in at]))
            if at:
                columns.append(_column(field, first_row[at[0]], at[0]))
            elif field.is_required:
                missing.append(field.names[0] if field.names else field.name)
        return columns, missing


def folded(name: str) -> str:
    """Return a column's name without its case, spaces, underscores and hyphens."""
    return _BETWEEN_WORDS.sub("", unicodedata.normalize("NFKC", name)).casefold()


def refuse_missing(match: Match, first_row: Sequence[str], *, header: bool) -> None:
    """Raise CsvError where the file lacks columns, naming every one and the likeliest reason."""
    if match.missing and not header:
        raise CsvError(
            f"The file has {match.width:,} columns without names, and lacks those for {listed(match.missing)}."
        )
    if match.missing:
        noun = "column" if len(match.missing) == 1 else "columns"
        raise CsvError(
            f"The file lacks the {noun} {listed(match.missing)}; its header row has {listed(first_row)}."
            + _likely_reason(match, first_row)
        )
    if not match.columns:
        raise CsvError(
            f"The file has none of the columns that can be imported; its header row has {listed(first_row)}."
            + _likely_reason(match, first_row)
        )


def _likely_reason(match: Match, first_row: Sequence[str]) -> str:
    if not match.columns and any(_DATA.fullmatch(field) for field in first_row):
        return " That looks like a row of data: the first row must hold the names of the columns."
    if len(first_row) == 1:
        return " Its fields must be separated by commas, semicolons, tabs or '|'."
    return ""


def _column(field: Field, label: str, index: int) -> Column:
    return Column(field.key, field.name, label, index, field.empty, field.is_choice)


def _places(
    first_row: Sequence[str], *, exactly: bool, without: set[int] | None = None
) -> dict[str, tuple[int, ...]]:
    places: dict[str, tuple[int, ...]] = defaultdict(tuple)
    for index, name in enumerate(first_row):
        if name and index not in (without or ()):
            places[name if exactly else folded(name)] += (index,)
    return places


def _at(field: Field, places: dict[str, tuple[int, ...]], *, exactly: bool) -> tuple[int, ...]:
    """Return where the columns of the first of the field's names stand that has any."""
    names = field.names if exactly else [folded(name) for name in field.names]
    return next((places[name] for name in names if name in places), ())


def _twice(field: Field, names: Sequence[str]) -> str:
    if len(set(names)) == 1:
        return f"The header row names a column twice: {listed(names[:1])}."
    return f"The header row has {len(names)} columns for {field.name!r}: {listed(names)}."
