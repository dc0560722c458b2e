"""RESULTS.md: the absolute figures of one run, for the record; only ratios compare."""

import os
import platform
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Report

FILE = Path(__file__).with_name("RESULTS.md")


def write(reports: Mapping[str, Report]) -> None:
    FILE.write_text(
        "\n".join([*_head(), *(line for name, report in reports.items() for line in _section(name, report))])
    )


def _head() -> list[str]:
    machine = (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
    return [
        "# Results of one run",
        "",
        f"Written by `make bench ARGS=--write` on {datetime.now(UTC):%Y-%m-%d}: {machine}.",
        "Absolute figures swing by 2 to 5 times with the machine and its neighbours; the ratios are what is promised.",
        "",
    ]


def _section(name: str, report: Report) -> list[str]:
    return [
        f"## {name}",
        "",
        "| target | measured | wanted | |",
        "| --- | --- | --- | --- |",
        *(
            f"| {each.what} | {each.value:.3g}{each.unit} | {each.sign} {each.limit:g}{each.unit} "
            f"| {'ok' if each.ok else 'MISSED'} |"
            for each in report.verdicts
        ),
        "",
        "| figure | |",
        "| --- | --- |",
        *(f"| {what} | {figure} |" for what, figure in report.figures.items()),
        "",
    ]
