"""The file of figures: read, checked, laid over with a file of your own, asked by name and region.

[[figure]]
name = "sqs.requests"
value = 0.40
unit = "USD per million requests"
region = "us-east-1"          # or a list of them; "*" is all
source = "https://aws.amazon.com/sqs/pricing/"
read = 2026-11-22             # the day somebody read it there
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from twolane.values.errors import SettingsError

EVERYWHERE = "*"
STALE_AFTER_DAYS = 180
"""AWS changes a price of ours about once in two years; a figure that nobody has looked at for longer is said."""

_MILLION, _THOUSAND = 1_000_000, 1_000
NAMES: Mapping[str, tuple[str, int]] = {
    "sqs.requests": ("USD per million requests", _MILLION),
    "sqs.requests.free": ("requests a month", 1),
    "sqs.chunk": ("bytes", 1),
    "lambda.requests": ("USD per million requests", _MILLION),
    "lambda.requests.free": ("requests a month", 1),
    "lambda.x86": ("USD per GB-second", 1),
    "lambda.arm": ("USD per GB-second", 1),
    "lambda.compute.free": ("GB-seconds a month", 1),
    "lambda.pollers": ("long polls at a time", 1),
    "lambda.vcpu": ("MB of memory per vCPU", 1),
    "fargate.x86.vcpu": ("USD per vCPU-hour", 1),
    "fargate.x86.memory": ("USD per GB-hour", 1),
    "fargate.arm.vcpu": ("USD per vCPU-hour", 1),
    "fargate.arm.memory": ("USD per GB-hour", 1),
    "ipv4": ("USD per hour", 1),
    "dynamodb.writes": ("USD per million units", _MILLION),
    "dynamodb.reads": ("USD per million units", _MILLION),
    "dynamodb.storage": ("USD per GB-month", 1),
    "dynamodb.storage.free": ("GB-months", 1),
    "s3.puts": ("USD per thousand requests", _THOUSAND),
    "s3.gets": ("USD per thousand requests", _THOUSAND),
    "s3.storage": ("USD per GB-month", 1),
    "cloudwatch.alarms": ("USD per alarm-month", 1),
    "cloudwatch.alarms.free": ("alarms", 1),
    "elasticache.node": ("USD per hour", 1),
    "rds.instance": ("USD per hour", 1),
    "rds.storage": ("USD per GB-month", 1),
    "ebs.gp3": ("USD per GB-month", 1),
}
"""Each figure the model asks for: the unit it is written in, and how many of the unit the value is for."""

_POSITIVE = {"sqs.chunk", "lambda.vcpu"}
_EXAMPLE = (
    'name = "sqs.requests", value = 0.40, unit = "USD per million requests", region = "us-east-1", '
    'source = "https://...", read = 2026-11-22, below a line [[figure]]'
)


class FigureMissing(SettingsError):
    """The files have no such figure for this region."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with where it comes from.

    Attributes:
        name: one of `NAMES`.
        value: as the source writes it, in `unit`.
        unit: the unit of the value.
        region: an AWS region, or "*".
        source: the address it was read at.
        read_on: the day it was read there.
        as_of: the day the source itself gives; None: it gives none.
        secondary: the source is not AWS.
        note: what else is to be known of it.
    """

    name: str
    value: Fraction
    unit: str
    region: str
    source: str
    read_on: date
    as_of: date | None = None
    secondary: bool = False
    note: str = ""

    @property
    def each(self) -> Fraction:
        """The value for one of the unit: for one request, not for a million."""
        return self.value / NAMES[self.name][1]

    def age_days(self, today: date) -> int:
        """How long ago somebody could vouch for it."""
        return (today - (self.as_of or self.read_on)).days


class Figures:
    """What holds in one region.

    Args:
        found: all figures, the later ones over the earlier ones.
        region: the AWS region asked about.

    Raises:
        SettingsError: no figure at all is of this region.
    """

    def __init__(self, found: Iterable[Figure], region: str) -> None:
        every = tuple(found)
        known = sorted({each.region for each in every} - {EVERYWHERE})
        if region not in known:
            raise SettingsError(
                f"no figure is known for the region {region!r}, only for {', '.join(known)}: name one of these, as in "
                f"--region us-east-1, or give a file of your own with --prices, as in: {_EXAMPLE}"
            )
        self.region = region
        self._by_name = {each.name: each for each in every if each.region == EVERYWHERE}
        self._by_name |= {each.name: each for each in every if each.region == region}
        self.asked: dict[str, Figure] = {}

    def figure(self, name: str) -> Figure:
        """A figure with its source.

        Raises:
            FigureMissing: there is none here.
        """
        if name not in self._by_name:
            raise FigureMissing(f"no figure {name} ({NAMES[name][0]}) is known for {self.region}")
        self.asked[name] = self._by_name[name]
        return self._by_name[name]

    def each(self, name: str) -> Fraction:
        """The figure for one of its unit.

        Raises:
            FigureMissing: there is none here.
        """
        return self.figure(name).each

    def has(self, name: str) -> bool:
        """Whether there is one here."""
        return name in self._by_name

    def stale(self, today: date) -> list[Figure]:
        """Of the figures that were asked for: those that nobody has looked at for too long, the oldest first."""
        old = [each for each in self.asked.values() if each.age_days(today) > STALE_AFTER_DAYS]
        return sorted(old, key=lambda each: (-each.age_days(today), each.name))


def shipped() -> list[Figure]:
    """The figures of `prices.toml`, which comes with twolane."""
    return parse((files("twolane.price") / "prices.toml").read_text("utf-8"), "prices.toml")


def read(path: Path) -> list[Figure]:
    """The figures of a file.

    Raises:
        SettingsError: it cannot be read, or a figure in it is none.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the prices in {path} cannot be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, origin: str) -> list[Figure]:
    """Figures from TOML.

    Args:
        text: the file's.
        origin: what it is called in an error.

    Raises:
        SettingsError: it is no TOML, or a figure in it is none; with the form of one.
    """
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"the prices in {origin} are no TOML: {error}; a figure looks like: {_EXAMPLE}"
        ) from error
    rows = document.get("figure")
    if set(document) != {"figure"} or not isinstance(rows, list) or not rows:
        raise SettingsError(f"{origin} has no figures; one looks like: {_EXAMPLE}")
    return [figure for row in cast("Sequence[Any]", rows) for figure in _figures(row, origin)]


def _figures(row: Any, origin: str) -> list[Figure]:
    if not isinstance(row, dict):
        raise _refused("it is no table", row, origin)
    has = cast("dict[str, Any]", row)
    name, value = str(has.get("name")), has.get("value")
    if name not in NAMES:
        raise _refused(f"no figure is called {name!r}: the names are {', '.join(NAMES)}", has, origin)
    if has.get("unit") != NAMES[name][0]:
        raise _refused(f"its unit is {has.get('unit')!r}, and {name} is in {NAMES[name][0]!r}", has, origin)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise _refused("its value is no number", has, origin)
    if value < 0 or (value == 0 and name in _POSITIVE):
        raise _refused(
            f"its value is {value}: it must not be {'negative' if value < 0 else 'zero'}", has, origin
        )
    if strange := set(has) - {
        "name",
        "value",
        "unit",
        "region",
        "source",
        "read",
        "as_of",
        "secondary",
        "note",
    }:
        raise _refused(f"nothing is known of {', '.join(sorted(strange))}", has, origin)
    return [_figure(has, region, origin) for region in _regions(has, origin)]


def _figure(has: dict[str, Any], region: str, origin: str) -> Figure:
    if type(has.get("read")) is not date or type(has.get("as_of", date.min)) is not date:
        raise _refused("it must say the day it was read, as in read = 2026-11-22", has, origin)
    if not isinstance(has.get("source"), str) or not has["source"]:
        raise _refused("it must say where it was read, as in source = 'https://...'", has, origin)
    if not isinstance(has.get("secondary", False), bool) or not isinstance(has.get("note", ""), str):
        raise _refused("secondary is true or false, and note is a text", has, origin)
    return Figure(
        has["name"],
        Fraction(has["value"]),
        has["unit"],
        region,
        has["source"],
        has["read"],
        has.get("as_of"),
        has.get("secondary", False),
        has.get("note", ""),
    )


def _regions(has: dict[str, Any], origin: str) -> list[str]:
    said = has.get("region")
    regions = cast("Sequence[Any]", said) if isinstance(said, list) else (said,)
    named = [each for each in regions if isinstance(each, str) and each]
    if not named or len(named) < len(regions):
        raise _refused('it must say its region, as in region = "us-east-1"', has, origin)
    return named


def _refused(why: str, row: Any, origin: str) -> SettingsError:
    return SettingsError(f"{origin} has a figure that is none ({row}): {why}; one looks like: {_EXAMPLE}")
