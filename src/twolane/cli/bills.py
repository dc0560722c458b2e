"""The report of `twolane price` as a person sees it."""

from __future__ import annotations

import shutil
from fractions import Fraction
from math import ceil

from twolane.cli.screen import console, line, table
from twolane.price import curves
from twolane.price.report import Report, count, usd

MOST_COLUMNS = 120
"""A wider chart tells no more."""


def show(found: Report) -> None:
    """Print a report: the work, each bill, all of them side by side, where they cross, the chart, the rule."""
    _show_work(found)
    _show_bills(found)
    _show_crossings(found)
    _show_chart(found)
    for each in (*found.missing, *found.stale):
        line(f"! {each}", "yellow")
    _show_sources(found)
    line(found.rule, "bold")


def _show_work(found: Report) -> None:
    work, lost = found.workload, found.loss
    free = "free allowances taken off" if found.free else "no free allowances"
    line(f"{count(work.per_month)} tasks a month in {found.region}, {free}", "bold")
    table(
        ["task", "a month", "takes", "bytes", "retries"],
        (
            [
                each.name,
                count(each.per_month),
                f"{float(each.duration_s):.3g} s",
                count(each.payload_bytes),
                f"{float(each.retries):.2%}",
            ]
            for each in work.loads
        ),
        ["a month", "takes", "bytes", "retries"],
    )
    line(f"memory {count(work.memory_bytes / 2**20)} MB, {work.burst} arriving together")
    line(
        f"the background lane would lose {count(lost.a_month)} a month: {count(lost.cut)} in flight at "
        f"{count(work.deploys)} deploys, {count(lost.failed)} that fail and are not tried again"
    )


def _show_bills(found: Report) -> None:
    for bill in found.bills:
        line("")
        line(f"{bill.way.title}: {usd(bill.usd)} a month", "bold")
        table(
            ["", "for", "amount", "USD"],
            (
                [each.meter, each.name, f"{_amount(each.amount)} {each.unit}", usd(each.usd)]
                for each in bill.lines
            ),
            ["amount", "USD"],
        )
        for note in bill.way.notes:
            line(f"  {note}")
    line("")
    line("side by side", "bold")
    table(
        ["way", "USD a month", "outlives a restart"],
        ([each.way.title, usd(each.usd), "yes" if each.way.survives else "no"] for each in found.bills),
        ["USD a month"],
    )


def _amount(amount: Fraction) -> str:
    return count(amount) if amount >= 0 else f"-{count(-amount)}"


def _show_crossings(found: Report) -> None:
    for_good = [each for each in found.crossings if each.for_good]
    if not for_good:
        line(f"No two of them cross up to {count(found.looked)} tasks a month.")
        return
    line("where they cross", "bold")
    first = {frozenset((each.cheaper, each.dearer)): each.tasks for each in reversed(found.crossings)}
    for each in for_good:
        at, before = each.tasks, first[frozenset((each.cheaper, each.dearer))]
        told = f"  from {ceil(at):,} tasks a month {found.title(each.cheaper)} costs less than "
        line(told + found.title(each.dearer) + ("" if before == at else f" (first at {ceil(before):,})"))


def _show_chart(found: Report) -> None:
    columns = console().width if console().is_terminal else shutil.get_terminal_size((100, 24)).columns
    line("cost against tasks a month", "bold")
    for each in curves.in_text(curves.chart(found), min(columns, MOST_COLUMNS) - 1):
        line(each)
    line("")


def _show_sources(found: Report) -> None:
    oldest = min(each.as_of or each.read_on for each in found.figures)
    second = sum(each.secondary for each in found.figures)
    line(
        f"{len(found.figures)} figures, the oldest of {oldest}; {second} of them not read on a page of AWS's: "
        "--json names each with its source"
    )
