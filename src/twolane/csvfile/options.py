"""What the caller of `read` says about a file, checked once; nothing of it depends on the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from twolane.csvfile.dialect import Dialect
from twolane.csvfile.encoding import encoding_of
from twolane.values.errors import UsageError

Columns: TypeAlias = Mapping[str, str] | Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options.

    Args:
        encoding: the codec, "utf_16" for either order of its bytes, None to tell it from the file.
        dialect: None to tell it from the file.
        header: whether the first row names the columns.
        names: fields of the model by further names of their columns.
        places: fields of the model by place, None for a column to pass over; only without a header.
    """

    encoding: str | None
    dialect: Dialect | None
    header: bool
    names: Mapping[str, str]
    places: Sequence[str | None] | None


def options_of(
    encoding: str | None, dialect: Dialect | str | None, columns: Columns | None, *, header: bool
) -> Options:
    """Check the options of a call.

    Raises:
        UsageError: an encoding or dialect that is not read here, or columns that do not go with `header`.
    """
    known = None if encoding is None else encoding_of(encoding)
    codec = known.codec if known else (None if encoding is None else "utf_16")
    if isinstance(dialect, str):
        dialect = Dialect(dialect)
    if columns is None:
        return Options(codec, dialect, header, {}, None)
    if isinstance(columns, Mapping):
        if not header:
            raise UsageError("header=False takes columns as a list of fields by place, not by name.")
        return Options(codec, dialect, header, dict(columns), None)
    if header or isinstance(columns, str):
        raise UsageError(
            'columns is a dict of names to fields, such as {"dep time": "dep_time"}; a list of fields goes with header=False.'
        )
    return Options(codec, dialect, header, {}, tuple(columns))
