"""What a person sees: a line for each turn of the story, a progress bar, and at the end the accounts."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from textwrap import shorten
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from twolane.cli.demo.accounts import Outcome
from twolane.cli.demo.data import CsvFile


class Report:
    """Tells the story while it runs; quiet: only what goes wrong, on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.console = Console(quiet=quiet, highlight=False)
        columns = (
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), DownloadColumn(), TimeElapsedColumn()
        )  # fmt: skip
        self._progress = Progress(*columns, console=self.console, disable=quiet)
        self._bar = self._progress.add_task("import", start=False, visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end_progress()

    def end_progress(self) -> None:
        """Leave the bar as it is: what is printed from now on stands below it."""
        self._progress.stop()

    def say(self, text: str) -> None:
        """One turn of the story."""
        self.console.print(Text.assemble(("> ", "cyan"), text))

    def warn(self, text: str) -> None:
        """Something that should not be."""
        print(text, file=sys.stderr)

    def progress(self, done: float, total: float) -> None:
        """How far the import is, in bytes."""
        self._progress.start_task(self._bar)
        self._progress.update(self._bar, completed=done, total=total, visible=True)


def print_result(report: Report, outcome: Outcome, problems: list[str], seconds: float) -> None:
    """The accounts as tables, and the verdict."""
    report.end_progress()
    report.console.print(_accounts(outcome), _kills(outcome), _deaths(outcome))
    for problem in problems:
        report.warn(f"NOT ACCOUNTED FOR: {problem}")
    if not problems:
        report.console.print(
            f"[bold green]Nothing lost[/]: every row, message and death is accounted for, in {seconds:g} s."
        )


def _accounts(outcome: Outcome) -> Table:
    count = outcome.count
    table = Table(title="Accounts", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("rows in the file", f"{count.in_file:,}")
    table.add_row("= rows imported (in the app's database)", f"{count.imported:,}")
    table.add_row("+ rows rejected (each with line and reason)", f"{count.rejected:,}")
    if count.merged:
        table.add_row("+ rows that name the same flight again", f"{count.merged:,}")
    table.add_row("kills survived", str(len(outcome.kills)))
    table.add_row("dead letters", str(len(outcome.deaths)))
    table.add_row("alerts that went", str(outcome.alerts))
    table.add_row("welcome mails, of subscribers", f"{outcome.welcomed} of {outcome.subscribed}")
    table.add_row("lost", str(outcome.lost), style="bold")
    return table


def _kills(outcome: Outcome) -> Table:
    table = Table(title="Kills with SIGKILL, survived", title_justify="left")
    for name in ("process", "behind row", "rows stored", "resumed from row"):
        table.add_column(name, justify="right")
    for kill in outcome.kills:
        table.add_row(str(kill.pid), f"{kill.row:,}", f"{kill.stored_rows:,}", f"{kill.resumed_from:,}")
    return table


def _deaths(outcome: Outcome) -> Table:
    table = Table(title="Dead letters, kept until a human discards them", title_justify="left")
    for name in ("task", "reason", "deliveries"):
        table.add_column(name, no_wrap=True)
    table.add_column("last error")
    for death in outcome.deaths:
        table.add_row(
            death.task or "(no envelope)", death.reason, str(death.deliveries), Text(shorten(death.error, 70))
        )
    return table


def as_json_line(outcome: Outcome, problems: list[str], *, seconds: float, seed: int, file: CsvFile) -> str:
    """The accounts as one line of JSON."""
    count = outcome.count
    line: dict[str, Any] = {
        "rows_in_file": count.in_file,
        "rows_imported": count.imported,
        "rows_rejected": count.rejected,
        "rows_merged": count.merged,
        "kills": len(outcome.kills),
        "resumed_from": [kill.resumed_from for kill in outcome.kills],
        "dead_letters": [asdict(death) for death in outcome.deaths],
        "alerts": outcome.alerts,
        "lost": outcome.lost,
        "problems": problems,
        "seconds": seconds,
        "seed": seed,
        "file": file.label,
    }
    return json.dumps(line)
