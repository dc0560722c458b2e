"""Why a row was rejected, in one sentence that a customer understands. Loads pydantic."""

from __future__ import annotations

import csv
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from twolane.csvfile.limits import Limits
from twolane.csvfile.records import count_line_ends, unclosed_quote

_SHOWN_CHARACTERS = 60
_MUST_BE = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "float_parsing": "must be a number",
    "decimal_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "date_parsing": "must be a date such as 2026-11-30",
    "date_from_datetime_parsing": "must be a date such as 2026-11-30",
    "date_from_datetime_inexact": "must be a date without a time, such as 2026-11-30",
    "datetime_parsing": "must be a date and time such as 2026-11-30T14:05:00",
    "datetime_from_date_parsing": "must be a date and time such as 2026-11-30T14:05:00",
    "time_parsing": "must be a time such as 14:05",
    "missing": "must not be empty",
}


class RowRefused(Exception):
    """A row that cannot be taken for a reason of its own; the sentence says which."""


class RowOversized(Exception):
    """A record above `max_record_bytes`."""


RowError: TypeAlias = RowRefused | RowOversized | UnicodeDecodeError | csv.Error | ValidationError


def reason_of(error: RowError, record: bytes, line: int, limits: Limits) -> str:
    """Return the sentence for `error`, raised by the record that begins on `line`.

    Of an oversized record its first `max_record_bytes` are enough.
    """
    if isinstance(error, ValidationError):
        problems = error.errors(include_url=False, include_context=False)
        return "; ".join(_problem(problem) for problem in problems)
    if isinstance(error, UnicodeDecodeError):
        return f"contains the byte 0x{record[error.start]:02X}, which is not UTF-8 text"
    if isinstance(error, csv.Error):
        return _broken(error, record, line)
    if isinstance(error, RowOversized):
        return _oversized(record[: limits.max_record_bytes], line, limits)
    return str(error)


def _broken(error: csv.Error, record: bytes, line: int) -> str:
    opened_on = _opened_on(record, line)
    if opened_on is not None:
        return f"a quote that opens on line {opened_on} is never closed"
    if str(error).startswith("field larger"):
        return f"has a field of more than {csv.field_size_limit():,} characters"
    return "has text behind a closing quote: a quote inside a quoted field must be doubled"


def _oversized(start: bytes, line: int, limits: Limits) -> str:
    opened_on = _opened_on(start, line)
    if opened_on is not None:
        return (
            f"a quote that opens on line {opened_on} is not closed within {limits.max_record_bytes:,} bytes"
        )
    return f"is longer than {limits.max_record_bytes:,} bytes"


def _opened_on(record: bytes, line: int) -> int | None:
    position = unclosed_quote(record)
    return None if position is None else line + count_line_ends(record[:position])


def _problem(problem: ErrorDetails) -> str:
    """Return one problem as "column: must be a whole number, got '25h'"."""
    column = f"{problem['loc'][0]}: " if problem["loc"] else ""
    return column + (_MUST_BE.get(problem["type"]) or _plain(problem["msg"])) + _got(problem["input"])


def _plain(message: str) -> str:
    """Turn pydantic's "Input should be ..." into "must be ..."; a validator's own sentence stays as it is."""
    for prefix in ("Value error, ", "Assertion failed, "):
        if message.startswith(prefix):
            return message.removeprefix(prefix)
    subject, should, rest = message.partition(" should ")
    return f"must {rest}" if should and subject.count(" ") <= 1 else message


def _got(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    shown = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "..."
    return f", got {shown!r}" if value else ", got an empty field"
