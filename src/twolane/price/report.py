"""What `twolane price` has to say, as a value: the bills, where they cross, what a restart loses, the rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import ceil

from twolane.price.crossing import Crossing, all_crossings, cheapest, far
from twolane.price.figures import Figure, Figures
from twolane.price.load import Workload
from twolane.price.meters import Line, Way
from twolane.price.units import MONTH_S
from twolane.price.ways import SINGLE, ways

HERE = ("background", "sqlite")
"""The ways that need nothing but the server there is."""
QUESTION = "if this task vanishes, does a human need to know?"


@dataclass(frozen=True, slots=True)
class Loss:
    """What the background lane loses in a month, in tasks.

    Attributes:
        in_flight: running at any moment, on average (Little's law: how often times how long).
        cut: in flight at the deploys of a month.
        failed: that fail, and are not tried again.
    """

    in_flight: Fraction
    cut: Fraction
    failed: Fraction

    @property
    def a_month(self) -> Fraction:
        """All of them."""
        return self.cut + self.failed


@dataclass(frozen=True, slots=True)
class Bill:
    """One way at this workload."""

    way: Way
    usd: Fraction
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All there is to say.

    Attributes:
        workload: what was asked.
        region: where.
        free: whether free allowances were taken off.
        bills: in the order of the ways.
        missing: a sentence for each way that could not be priced.
        crossings: where two of the ways cross, but for those that make a call a message.
        looked: up to how many tasks a month crossings were looked for.
        loss: what the background lane loses.
        figures: those that were used.
        stale: those of them that nobody has looked at for long, as sentences.
        rule: the last line.
    """

    workload: Workload
    region: str
    free: bool
    bills: tuple[Bill, ...]
    missing: tuple[str, ...]
    crossings: tuple[Crossing, ...]
    looked: Fraction
    loss: Loss
    figures: tuple[Figure, ...]
    stale: tuple[str, ...]
    rule: str

    def title(self, key: str) -> str:
        """What a way is called."""
        return next(bill.way.title for bill in self.bills if bill.way.key == key)


def report(workload: Workload, figures: Figures, today: date, *, free: bool = True) -> Report:
    """Price a workload.

    Args:
        workload: the work.
        figures: of one region.
        today: to tell which figures are old.
        free: whether to take off the allowances that do not end after a year.
    """
    found, missing = ways(workload, figures, free=free)
    compared = [way for way in found if not way.key.endswith(SINGLE)]
    tasks = workload.per_month
    high = far(compared, tasks)
    bills = tuple(Bill(way, way.cost(tasks), tuple(way.lines(tasks))) for way in found)
    lost, crossed = loss(workload), all_crossings(compared, min(tasks, Fraction(1)), high)
    return Report(
        workload=workload,
        region=figures.region,
        free=free,
        bills=bills,
        missing=tuple(missing),
        crossings=tuple(crossed),
        looked=high,
        loss=lost,
        figures=tuple(figures.asked.values()),
        stale=_stale(figures, today),
        rule=_rule(workload, compared, lost, crossed),
    )


def loss(workload: Workload) -> Loss:
    """What the background lane loses in a month."""
    flying = sum((load.per_month * load.duration_s for load in workload.loads), Fraction(0)) / MONTH_S
    failed = sum((load.per_month * load.retries for load in workload.loads), Fraction(0))
    return Loss(flying, flying * workload.deploys, failed)


def usd(amount: Fraction) -> str:
    """Money for people: cents, and of less than a cent two digits."""
    sign, size = "-" if amount < 0 else "", abs(amount)
    if 0 < size < Fraction(1, 100):
        return f"{sign}${float(size):.2g}" if size >= Fraction(1, 10_000) else "$0.00"
    return f"{sign}${float(size):,.2f}"


def count(amount: Fraction) -> str:
    """A number for people: three digits of a small one, all of a large one."""
    if amount >= 100 or amount == int(amount):  # noqa: PLR2004
        return f"{round(amount):,}"
    return f"{float(amount):.3g}"


def _rule(workload: Workload, found: Sequence[Way], lost: Loss, crossed: Sequence[Crossing]) -> str:
    tasks = workload.per_month
    costs = {way.key: way.cost(tasks) for way in found}
    told = f"The rule: {QUESTION} If yes, queue it; if no, background it. The queue costs "
    told += f"{usd(costs['sqlite'])} a month on this server"
    ours = [way for way in found if way.key.startswith(("lambda", "fargate"))]
    best = cheapest(ours, tasks) if ours else None
    if best is not None:
        told += f" and {usd(costs[best.key])} on AWS ({best.title})"
    told += f", the background lane {usd(costs['background'])}. It buys: {_bought(lost)}. "
    return told + ("" if best is None else _next_change(found, best, tasks, crossed))


def _bought(lost: Loss) -> str:
    if not lost.a_month:
        return "nothing, as long as no process dies: no task fails and no deploy cuts one"
    parts = [f"{count(lost.cut)} cut by deploys"] if lost.cut else []
    parts += [f"{count(lost.failed)} that fail"] if lost.failed else []
    return f"about {count(lost.a_month)} tasks a month that would vanish ({', '.join(parts)}) run again, or a human is told"


def _next_change(found: Sequence[Way], best: Way, tasks: Fraction, crossed: Sequence[Crossing]) -> str:
    """At how many tasks a month another way on AWS costs less than the queue that is best now."""
    titles = {way.key: way.title for way in found if way.key not in HERE}
    already = [way for way in found if way.key in titles and way.cost(tasks) < best.cost(tasks)]
    ahead = [
        each for each in crossed if each.dearer == best.key and each.cheaper in titles and each.tasks > tasks
    ]
    if already:
        other = cheapest(already, tasks)
        turns = [each.tasks for each in crossed if each.cheaper == other.key and each.dearer == best.key]
        since = [turn for turn in turns if turn <= tasks]
        told = f"at {ceil(max(since)):,} tasks a month" if since else "far below"
        return f"The answer on AWS has changed {told}: {other.title} costs {usd(other.cost(tasks))} by now."
    if not ahead:
        return "The answer on AWS does not change as far as was looked."
    turn = ahead[0]
    return (
        f"The answer on AWS changes at {ceil(turn.tasks):,} tasks a month "
        f"({count(turn.tasks / tasks)} times yours): from there {titles[turn.cheaper]} costs less."
    )


def _stale(figures: Figures, today: date) -> tuple[str, ...]:
    return tuple(
        f"{each.name} is {each.age_days(today)} days old (of {each.as_of or each.read_on}): look at {each.source} "
        f"and give what it says with --prices"
        for each in figures.stale(today)
    )
