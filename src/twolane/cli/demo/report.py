"""What a person sees: a line for each turn of the story, the import's page in two lines, at the end the accounts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from textwrap import shorten
from typing import Any, Self

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from twolane.cli.demo.accounts import Outcome
from twolane.cli.demo.data import CsvFile

LOOK_EVERY_S = 0.1


class Report:
    """Tells the story while it runs; quiet: only what goes wrong, on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.console = Console(quiet=quiet, highlight=False)
        self._live = Live("", console=self.console, auto_refresh=False)
        self._look_at = 0.0
        self._seen: RenderableType | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.quiet:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end_progress()

    def end_progress(self) -> None:
        """Leave it as it is: what is printed from now on stands below it."""
        if self._live.is_started:
            self._live.stop()
        elif self._seen is not None:  # no terminal: the last of it, once
            self.console.print(self._seen)
        self._seen = None

    def say(self, text: str) -> None:
        """One turn of the story."""
        self.console.print(Text.assemble(("> ", "cyan"), text))

    def warn(self, text: str) -> None:
        """Something that should not be."""
        print(text, file=sys.stderr)

    def follow(self, look: Callable[[], dict[str, Any]]) -> None:
        """Show how far the import is; the app is not asked more often than eyes can follow, nor where quiet."""
        if not self.quiet and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY_S
            self.show(look())

    def show(self, progress: dict[str, Any]) -> None:
        """How far the import is, as its page says it."""
        if not self.quiet:
            self._seen = as_page(progress)
            self._live.update(self._seen, refresh=self._live.is_started)


def as_page(its: dict[str, Any]) -> RenderableType:
    """What the page of an import shows, for a terminal."""
    bar = ProgressBar(total=100, completed=its["percent"] or 0, width=40)
    said = [f"{its['rows']:,} rows done", f"{its['rejected']:,} rejected"]
    if its["rows_per_s"]:
        said.append(f"{its['rows_per_s']:,.0f} rows/s")
    if its["seconds_left"]:
        said.append(f"{its['seconds_left']:.1f} s left")
    if its["took_s"]:
        said.append(f"took {its['took_s']:.1f} s")
    said.append(f"attempt {its['attempt']}")
    top = Columns([Text(f"{its['name']}: {its['state']}"), bar, Text(f"{its['percent'] or 0:.0f} %")])
    lines: list[RenderableType] = [top, Text(", ".join(said))]
    row = its["resumed_at_row"]
    if its["crashes"] or row:
        died = f"worker died ({its['crashes']} so far)" if its["crashes"] else "interrupted"
        resumed = f"resumed at row {row:,}" if row else "begun again"
        lines.append(Text(f"{died}, {resumed}", style="yellow"))
    return Group(*lines)


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
    for name in ("process", "behind row", "rows stored", "resumed at row"):
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
