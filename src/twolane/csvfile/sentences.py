"""Says what pydantic found wrong with a row in the words of somebody who has only the file. Loads pydantic."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_SHOWN_CHARACTERS = 60
_CHOICES_CHARACTERS = 200

_DATE = "must be a date such as 2026-11-30"
_DATETIME = "must be a date and time such as 2026-11-30T14:05:00"
_TIME = "must be a time such as 14:05"
_DURATION = "must be a duration such as 02:30:00 or PT2H30M"
_WHOLE = "must be a whole number"
_NUMBER = "must be a number"

# By pydantic's type of an error; the places in braces are its context.
PHRASES: Final[Mapping[str, str]] = {
    "missing": "must not be empty",
    "none_required": "must be empty",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "string_type": "must be text",
    "string_unicode": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must have the form {pattern}",
    "string_not_ascii": "must have letters without accents only",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "must be a whole number of fewer digits",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_max_digits": "must be a number of at most {max_digits} digits",
    "decimal_max_places": "must be a number of at most {decimal_places} decimal places",
    "decimal_whole_digits": "must be a number of at most {whole_digits} digits before the decimal point",
    "fraction_type": "must be a fraction such as 3/4",
    "fraction_parsing": "must be a fraction such as 3/4",
    "complex_type": "must be a complex number such as 1+2j",
    "complex_str_parsing": "must be a complex number such as 1+2j",
    "bytes_type": "must be text",
    "bytes_too_short": "must have at least {min_length} bytes",
    "bytes_too_long": "must have at most {max_length} bytes",
    "bytes_invalid_encoding": "must be {encoding} text",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": "must be a date without a time, such as 2026-11-30",
    "date_past": "must be a date in the past",
    "date_future": "must be a date in the future",
    "time_type": _TIME,
    "time_parsing": _TIME,
    "datetime_type": _DATETIME,
    "datetime_parsing": _DATETIME,
    "datetime_object_invalid": _DATETIME,
    "datetime_from_date_parsing": _DATETIME,
    "datetime_past": "must be in the past",
    "datetime_future": "must be in the future",
    "timezone_naive": "must be a time without a time zone",
    "timezone_aware": "must be a time with a time zone, such as 2026-11-30T14:05:00+01:00",
    "timezone_offset": "must be a time of another time zone",
    "time_delta_type": _DURATION,
    "time_delta_parsing": _DURATION,
    "json_invalid": "must be JSON",
    "json_type": "must be JSON",
    "url_type": "must be a web address such as https://example.com",
    "url_parsing": "must be a web address such as https://example.com",
    "url_syntax_violation": "must be a web address such as https://example.com",
    "url_too_long": "must be a web address of at most {max_length} characters",
    "url_scheme": "must be a web address that begins with {expected_schemes}",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "uuid_version": "must be a UUID of version {expected_version}",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "deque_type": "must be a list",
    "iterable_type": "must be a list",
    "extra_forbidden": "must not be there",
}
_OWN_WORDS = {"value_error": "Value error, ", "assertion_error": "Assertion failed, "}
_NOT_VALID = re.compile(r"(?:Input|value) is not (an? )(?:valid )?([^:]*).*", re.DOTALL)
_JARGON = re.compile(
    r"\b(?:Input|Error|[Ii]nstance|[Oo]bject|dictionary|tuple|dict|callable|discriminator)\b|\bshould\b"
)
_TAGS = frozenset({"int", "str", "float", "bool", "bytes", "none", "date", "time", "datetime", "decimal", "timedelta", "uuid", "url", "list", "set", "tuple", "dict", "json", "enum", "model", "nullable", "any"})  # fmt: skip


def sentence_of(error: ValidationError, labels: Mapping[str, str], choices: frozenset[str]) -> str:
    """Return all that is wrong with a row as one sentence, column by column.

    Args:
        error: what pydantic raised.
        labels: the columns' names in the file, by the keys pydantic knows.
        choices: the keys of fields that take one of several types, each of which says why it did not fit.
    """
    by_column: dict[str | int, list[ErrorDetails]] = {}
    for problem in error.errors(include_url=False):
        by_column.setdefault(problem["loc"][0] if problem["loc"] else "", []).append(problem)
    said: list[str] = []
    for key, problems in by_column.items():
        label = labels.get(str(key), str(key))
        if key in choices:
            said.append(_said(label, _either(problems), problems[0]["input"]))
        else:
            said += [_said(label + _within(each), _phrase(each), each["input"]) for each in problems]
    return "; ".join(said)


def _said(label: str, phrase: str, value: Any) -> str:
    """Put a column, what it must be and what it is together: "dep_time must be a whole number, got '25h'"."""
    between = "" if not label else " " if phrase.startswith(("must ", "is ")) else ": "
    return label + between + phrase + _got(value)


def _either(problems: Sequence[ErrorDetails]) -> str:
    """Join what the types of a union ask for: "must be a whole number or 'NA'"."""
    first, *others = dict.fromkeys(map(_phrase, problems))
    return " or ".join([first, *(other.removeprefix("must be ") for other in others)])


def _within(problem: ErrorDetails) -> str:
    """Return where inside a field's value the problem is, as ", item 2" or ", zip"."""
    parts = [f"item {part + 1}" if isinstance(part, int) else part for part in problem["loc"][1:]]
    return "".join(f", {part}" for part in parts if " " in part or (part.islower() and part.isidentifier() and part not in _TAGS))  # fmt: skip


def _phrase(problem: ErrorDetails) -> str:
    """Return what is wrong in plain words; a validator's own sentence stays as it is."""
    kind, message = problem["type"], problem["msg"]
    if kind in PHRASES:
        return _filled(PHRASES[kind], problem.get("ctx", {}))
    own = message.removeprefix(_OWN_WORDS.get(kind, ""))
    if own != message:
        return own or "is not valid"
    if found := _NOT_VALID.fullmatch(message):
        return f"must be {found[1]}valid {found[2]}"
    subject, should, rest = message.partition(" should ")
    if should and subject.count(" ") <= 1:
        own = f"must {rest}"
    return "is not valid" if _JARGON.search(own) else own


def _filled(phrase: str, context: Mapping[str, Any]) -> str:
    said = phrase.format_map({name: _short(value) for name, value in context.items()})
    return re.sub(r"\b1 (item|character|digit|decimal place|byte)s\b", r"1 \1", said)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _CHOICES_CHARACTERS else text[:_CHOICES_CHARACTERS] + "..."


def _got(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    shown = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "..."
    return f", got {shown!r}" if value else ", got an empty field"
