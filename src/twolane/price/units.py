"""Amounts as people write them: 2e6/month, 1.2s, 4KB, 3%. What does not parse is answered with an example.

A month is 730 hours, as in AWS's own calculator; a KB is 1,024 bytes, as in its price lists.
"""

from __future__ import annotations

import re
from fractions import Fraction

from twolane.values.errors import SettingsError

MONTH_HOURS = 730
MONTH_S = MONTH_HOURS * 3600

_NUMBER = re.compile(
    r"\s*(-?[0-9]{1,15}(?:[0-9]|_(?=[0-9]))*(?:\.[0-9]{1,12})?(?:e\+?[0-9]{1,2}|e-[0-9])?)\s*(.*?)\s*",
    re.IGNORECASE,
)

_PER_MONTH: dict[str, int | Fraction] = {
    "s": MONTH_S, "second": MONTH_S, "min": MONTH_HOURS * 60, "minute": MONTH_HOURS * 60,
    "h": MONTH_HOURS, "hour": MONTH_HOURS, "day": Fraction(MONTH_HOURS, 24), "d": Fraction(MONTH_HOURS, 24),
    "week": Fraction(MONTH_HOURS, 168), "month": 1, "year": Fraction(1, 12),
}  # fmt: skip
_SECONDS: dict[str, int | Fraction] = {
    "ms": Fraction(1, 1000), "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600,
}  # fmt: skip
_BYTES = {
    "b": 1, "kb": 2**10, "kib": 2**10, "mb": 2**20, "mib": 2**20, "gb": 2**30, "gib": 2**30,
}  # fmt: skip

_MOST_PER_MONTH = 10**12
_MOST_S = 30 * 86_400
_MOST_BYTES = 2**40


def rate(text: str, what: str = "a rate") -> Fraction:
    """How often a month: `2e6/month`, `500/day`, `3/s`.

    Raises:
        SettingsError: it does not parse, is negative or absurd.
    """
    number, unit = _split(text, what, "500/day or 2e6/month")
    if not unit.startswith("/"):
        raise _wrong(text, what, "500/day or 2e6/month", "how often is missing")
    per = unit[1:].strip().lower()
    if per not in _PER_MONTH:
        raise _wrong(
            text, what, "500/day or 2e6/month", f"{per!r} is no s, min, hour, day, week, month or year"
        )
    return _within(number * _PER_MONTH[per], _MOST_PER_MONTH, text, what, "a million million a month")


def duration(text: str, what: str = "a duration") -> Fraction:
    """Seconds: `1.2s`, `300ms`, `5min`.

    Raises:
        SettingsError: it does not parse, is negative or absurd.
    """
    number, unit = _split(text, what, "1.2s or 300ms")
    if unit.lower() not in _SECONDS:
        raise _wrong(text, what, "1.2s or 300ms", "its unit is one of ms, s, min, h")
    return _within(number * _SECONDS[unit.lower()], _MOST_S, text, what, "30 days")


def size(text: str, what: str = "a size") -> Fraction:
    """Bytes: `4KB`, `512MB`.

    Raises:
        SettingsError: it does not parse, is negative or absurd.
    """
    number, unit = _split(text, what, "4KB or 512MB")
    if unit.lower() not in _BYTES:
        raise _wrong(text, what, "4KB or 512MB", "its unit is one of B, KB, MB, GB")
    return _within(number * _BYTES[unit.lower()], _MOST_BYTES, text, what, "1,024 GB")


def share(text: str, what: str = "a share") -> Fraction:
    """A part of one: `3%`.

    Raises:
        SettingsError: it does not parse, is negative, or 100 % and more.
    """
    number, unit = _split(text, what, "3%")
    if unit != "%":
        raise _wrong(text, what, "3%", "it ends with %")
    if number >= 100:  # noqa: PLR2004  (per cent)
        raise _wrong(text, what, "3%", "it must be below 100 %: otherwise nothing ever succeeds")
    return _within(number / 100, 1, text, what, "100 %")


def days(text: str, what: str = "a number of days") -> int:
    """Whole days: `30d`.

    Raises:
        SettingsError: it does not parse, or is not between 1 and 400.
    """
    number, unit = _split(text, what, "30d")
    if unit.lower() not in {"d", "day", "days"} or number.denominator != 1:
        raise _wrong(text, what, "30d", "it is a whole number of days")
    if not 1 <= number <= 400:  # noqa: PLR2004  (they are kept so long)
        raise _wrong(text, what, "30d", "the daily sums are kept for 400 days")
    return int(number)


def _split(text: str, what: str, example: str) -> tuple[Fraction, str]:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise _wrong(text, what, example, "it starts with a number")
    number = Fraction(found[1].replace("_", ""))
    if number < 0:
        raise _wrong(text, what, example, "it must not be negative")
    return number, found[2]


def _within(value: Fraction, most: int, text: str, what: str, told: str) -> Fraction:
    if value > most:
        raise SettingsError(f"{what} is {text!r}: that is more than {told}, surely a slip")
    return value


def _wrong(text: str, what: str, example: str, why: str) -> SettingsError:
    return SettingsError(f"{what} is {text!r}: {why}; write it like {example}")
