"""`check_head` and `check`: what is wrong with a file, before it is imported.

Nothing here loads pydantic before the first call.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from twolane.csvfile.chunk import Chunk, Rejected
from twolane.csvfile.dialect import Dialect
from twolane.csvfile.errors import CsvError
from twolane.csvfile.limits import Limits
from twolane.csvfile.options import Columns, options_of
from twolane.csvfile.reader import LIMITS, chunks_of
from twolane.csvfile.report import Report
from twolane.csvfile.source import Source, opened
from twolane.values.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel


def check_head(
    source: Source,
    model: type[BaseModel],
    *,
    limits: Limits = LIMITS,
    encoding: str | None = None,
    dialect: Dialect | str | None = None,
    columns: Columns | None = None,
    header: bool = True,
) -> Report:
    """Refuse a file whose head already shows that its import is pointless: for an endpoint that answers 422.

    Beside what `read` refuses that is a file without any row. Reads at most the first 8 MiB of the text, and
    only `limits.max_record_bytes` of most files. A file that is given open is left where it stood.

    Args:
        source: as for `read`; of an UploadFile its `.file`.
        model: as for `read`.
        limits: as for `read`.
        encoding: as for `read`.
        dialect: as for `read`.
        columns: as for `read`.
        header: as for `read`.

    Returns:
        What the head tells: encoding, dialect, columns; no row was looked at.

    Raises:
        CsvError: what is wrong with the file, in a sentence for the customer.
        UsageError: `source` is no blob, path or seekable binary file, or an option says what cannot be.
    """
    from twolane.csvfile.columns import Matcher
    from twolane.csvfile.opening import open_for

    options = options_of(encoding, dialect, columns, header=header)
    matcher = Matcher(model, options)
    with opened(source) as reader:
        stood_at = reader.tell()
        try:
            report = open_for(matcher, reader, options, limits).report()
        finally:
            reader.seek(stood_at)
    if report.refused is not None:
        raise CsvError(report.refused)
    return report


def check(
    source: Source,
    model: type[BaseModel],
    *,
    problems: int = 20,
    limits: Limits = LIMITS,
    encoding: str | None = None,
    dialect: Dialect | str | None = None,
    columns: Columns | None = None,
    header: bool = True,
) -> Report:
    """Read a file without importing it, as far as the first `problems` rows that would be rejected.

    What is wrong with the file as a whole is said in the report and not raised. A file that is given open is
    left where it stood.

    Args:
        source: as for `read`.
        model: as for `read`.
        problems: after how many rejected rows it is enough.
        limits: as for `read`.
        encoding: as for `read`.
        dialect: as for `read`.
        columns: as for `read`.
        header: as for `read`.

    Raises:
        UsageError: `problems` is below 1, `source` is none that `read` takes, or an option says what cannot be.
    """
    from twolane.csvfile.columns import Matcher
    from twolane.csvfile.opening import open_for

    if problems < 1:
        raise UsageError(f"csvfile.check takes problems of 1 or more, not {problems!r}.")
    options = options_of(encoding, dialect, columns, header=header)
    matcher = Matcher(model, options)
    with opened(source) as reader:
        stood_at = reader.tell()
        try:
            report = open_for(matcher, reader, options, limits).report()
            if report.refused is not None:
                return report
            chunks = chunks_of(reader, model, matcher, options, limits)
            return _looked_through(chunks, problems, report, reader.seek(0, os.SEEK_END))
        except CsvError as error:
            return Report(refused=str(error))
        finally:
            reader.seek(stood_at)


def _looked_through(
    chunks: Iterator[Chunk[BaseModel]], problems: int, report: Report, size_bytes: int
) -> Report:
    """Read until there are enough problems; what refuses the file on the way is said beside those before it."""
    found: list[Rejected] = []
    rows = 0
    try:
        for chunk in chunks:
            rows += len(chunk.rows) + len(chunk.rejected)
            found += chunk.rejected
            if len(found) >= problems:
                is_all = len(found) == problems and chunk.offset_bytes == size_bytes
                return replace(report, problems=tuple(found[:problems]), rows=rows, complete=is_all)
    except CsvError as error:
        return replace(report, refused=str(error), problems=tuple(found), rows=rows)
    return replace(report, problems=tuple(found), rows=rows, complete=True)
