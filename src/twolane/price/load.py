"""The work whose price is asked: tasks, how often, how long, how large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from twolane.price import units
from twolane.values.errors import SettingsError
from twolane.values.policy import Policy

ATTEMPTS = Policy().max_attempts
"""A task that fails is tried so often (the start value of `max_attempts`)."""


@dataclass(frozen=True, slots=True)
class Load:
    """One task.

    Attributes:
        name: of the task.
        per_month: how often it is sent.
        duration_s: of one attempt, in seconds.
        payload_bytes: of its arguments, uploads included.
        retries: the part of the attempts that fail and are tried again, below 1.
    """

    name: str
    per_month: Fraction
    duration_s: Fraction
    payload_bytes: Fraction
    retries: Fraction = Fraction(0)

    @property
    def attempts(self) -> Fraction:
        """How many attempts one task takes on average: 1 + r + r^2 ... up to five."""
        return sum((self.retries**number for number in range(ATTEMPTS)), Fraction(0))

    @property
    def dead(self) -> Fraction:
        """The part of the tasks whose every attempt fails."""
        return self.retries**ATTEMPTS


@dataclass(frozen=True, slots=True)
class Workload:
    """All tasks, and what they share.

    Attributes:
        loads: the tasks; their proportions stay when the whole grows.
        memory_bytes: what the process that runs them is given, as a Lambda function's memory.
        burst: how many tasks arrive together, and can share one call of SQS.
        deploys: restarts a month.
    """

    loads: tuple[Load, ...]
    memory_bytes: Fraction
    burst: int = 1
    deploys: Fraction = Fraction(20)

    @property
    def per_month(self) -> Fraction:
        """All tasks a month."""
        return sum((load.per_month for load in self.loads), Fraction(0))

    def mean(self, of: Sequence[Fraction]) -> Fraction:
        """The average of something over all tasks sent; `of` has a value a load."""
        return (
            sum((load.per_month * value for load, value in zip(self.loads, of, strict=True)), Fraction(0))
            / self.per_month
        )


def workload(
    loads: Sequence[Load], *, memory_bytes: Fraction, burst: int = 1, deploys: Fraction = Fraction(20)
) -> Workload:
    """A workload that can be priced.

    Raises:
        SettingsError: there is nothing in it, or its numbers are absurd.
    """
    if not loads or not sum(load.per_month for load in loads):
        raise SettingsError(
            "there is no task to price: say how often one is sent, as in --tasks 500/day, "
            'or several as in --task "welcome_email 500/day 0.4s 2KB"'
        )
    if not 1 <= burst <= 1_000_000:  # noqa: PLR2004
        raise SettingsError(f"--burst is {burst}: it is how many tasks arrive together, as in --burst 10")
    if not 2**20 <= memory_bytes <= 120 * 2**30:
        raise SettingsError("--memory must be between 1MB and 120GB, as in --memory 512MB")
    return Workload(tuple(load for load in loads if load.per_month), memory_bytes, burst, deploys)


def read_load(text: str) -> Load:
    """A task in one line: a name, then how often, how long, how large and how often retried, in any order.

    `import_flights 200/month 45s 10MB 2%`

    Raises:
        SettingsError: a part does not parse, or how often is missing.
    """
    name, *parts = text.split() or [""]
    said: dict[str, Fraction] = {}
    for part in parts:
        kind = _kind(part)
        if kind in said:
            raise _refused(text, f"it says its {kind} twice")
        said[kind] = {
            "rate": units.rate,
            "share": units.share,
            "size": units.size,
            "duration": units.duration,
        }[kind](part, f"{part!r} of task {name}")
    if not name or name[0].isdigit() or "rate" not in said:
        raise _refused(text, "it must say its name first and how often it is sent")
    return Load(
        name,
        said["rate"],
        said.get("duration", Fraction(1)),
        said.get("size", Fraction(1024)),
        said.get("share", Fraction(0)),
    )


def _kind(part: str) -> str:
    if "/" in part:
        return "rate"
    if part.endswith("%"):
        return "share"
    return "size" if part.lower().endswith("b") else "duration"


def _refused(text: str, why: str) -> SettingsError:
    return SettingsError(f'--task {text!r}: {why}; write it like "import_flights 200/month 45s 10MB 2%"')
