"""Verdicts and how they are reached: interleaved rounds, medians, ratios within one run.

Absolute figures swing by 2 to 5 times on a shared machine; what is measured side by side does not.
"""

import os
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target: what was measured, and whether it holds."""

    what: str
    value: float
    limit: float
    ok: bool
    sign: str
    unit: str

    def __str__(self) -> str:
        state = "ok" if self.ok else "MISSED"
        return f"{state:<6}  {self.value:>8.3g}{self.unit:<3} ({self.sign} {self.limit:g}{self.unit})  {self.what}"


def at_least(what: str, value: float, limit: float, unit: str = "x") -> Verdict:
    return Verdict(what, value, limit, value >= limit, ">=", unit)


def at_most(what: str, value: float, limit: float, unit: str = "x") -> Verdict:
    return Verdict(what, value, limit, value <= limit, "<=", unit)


@dataclass(slots=True)
class Report:
    """What one benchmark found: verdicts, and absolute figures for RESULTS.md."""

    verdicts: list[Verdict]
    figures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scale:
    """How thorough a run is."""

    rounds: int
    waiting: int
    large_file_bytes: int
    watch_s: float


FULL = Scale(rounds=7, waiting=1_000_000, large_file_bytes=300_000_000, watch_s=10)
QUICK = Scale(rounds=3, waiting=100_000, large_file_bytes=60_000_000, watch_s=4)

Rounds = dict[str, list[float]]


def interleave(contenders: Mapping[str, Callable[[Path], float]], rounds: int) -> Rounds:
    """Each contender once a round, in a new order each time, in an empty folder of its own."""
    order = random.Random(1)
    found: Rounds = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in order.sample(list(contenders), len(contenders)):
            with scratch() as folder:
                found[name].append(contenders[name](folder))
    return found


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the rounds' ratios: a slow minute of the machine slows both sides of a round."""
    return statistics.median(one / other for one, other in zip(above, below, strict=True))


def rates(found: Rounds, unit: str = "/s") -> dict[str, str]:
    return {name: f"{statistics.median(values):,.0f}{unit}" for name, values in found.items()}


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk of the working directory: the temporary one may be memory, where fsync is free."""
    base = Path(os.environ.get("TWOLANE_BENCH_FOLDER", "build")).absolute()
    base.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base, prefix="bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
