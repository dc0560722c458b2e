"""`twolane check`: which background tasks of a code base break the rule?"""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twolane.cli import exits
from twolane.values.errors import SettingsError

if TYPE_CHECKING:
    from twolane.check.config import Config
    from twolane.check.report import Report


class Format(StrEnum):
    """How the report is written."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


SOURCE = ("", ".py", ".pyi", ".pyw")
"""How a file may end that is named itself; one without an ending may be a script."""

Where = Annotated[
    str, typer.Argument(metavar="[PATH]", help="A folder, or one file; else the working directory.")
]
How = Annotated[str, typer.Option("--format", help="text, json (one object a line), sarif, or github.")]
Page = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Also write a page that a team can read.")
]
Explain = Annotated[
    str | None, typer.Option("--explain", metavar="CODE", help="Print the page of a rule, such as TL101.")
]
Diff = Annotated[
    bool, typer.Option("--diff", help="Print the smallest change of each site that is sure, as a diff.")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude", metavar="PATTERN", help="Leave out paths such as migrations/*; may be repeated."
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="FILE", help="Old findings: what stands in it does not count."),
]
WriteBaseline = Annotated[
    Path | None,
    typer.Option(
        "--write-baseline", metavar="FILE", help="Write what is found as the baseline, and end with 0."
    ),
]


def check(
    path: Where = ".",
    how: How = "text",
    html: Page = None,
    explain: Explain = None,
    diff: Diff = False,
    exclude: Exclude = None,
    baseline: Baseline = None,
    write_baseline: WriteBaseline = None,
) -> None:
    """Find the background tasks that a human would miss: which break the rule, why, and what to change."""
    if explain is not None:
        _explain(explain)
        return
    form = _format_named(how)
    if diff and form not in (Format.text, Format.json):
        raise SettingsError(f"--diff goes with --format text or json: {form} has no place for a patch")
    report, config = _checked(path, tuple(exclude or ()), changes=diff or html is not None)
    if write_baseline is not None:
        from twolane.check import baseline as old

        _write(write_baseline, old.write(report))
        print(f"{report.headline}: written to {write_baseline}, from now on only what is new counts")
        return
    _forget_old(report, config, baseline)
    if html is not None:
        from twolane.check.formats import html as page

        _write(html, page.write(report))
    _print(report, form, diff=diff)
    if not report.clean:
        raise typer.Exit(exits.NOTHING_DONE)


def _format_named(name: str) -> Format:
    if name not in list(Format):
        raise SettingsError(f"--format takes {', '.join(Format)}, not {name}")
    return Format(name)


def _checked(path: str, exclude: tuple[str, ...], *, changes: bool) -> tuple[Report, Config]:
    from dataclasses import replace

    from twolane.check.checking import check as check_tree
    from twolane.check.config import find_config

    root = Path(path)
    if not path or not root.exists():
        raise SettingsError(f"there is nothing at {path or repr(path)}")
    if root.is_file() and root.suffix not in SOURCE:
        raise SettingsError(f"{path} is no Python source: name a .py file, or a folder")
    config = find_config(root)
    config = replace(config, exclude=(*config.exclude, *exclude))
    return check_tree(root, config, name=path, changes=changes), config


def _forget_old(report: Report, config: Config, given: Path | None) -> None:
    from twolane.check import baseline as old

    file = given
    if file is None and config.baseline is not None and config.folder is not None:
        file = config.folder / config.baseline
    if file is not None:
        old.apply(report, old.read(file))


def _print(report: Report, how: Format, *, diff: bool) -> None:
    if how is Format.text:
        from twolane.cli.check_text import show

        show(report, diff=diff)
        return
    for note in report.notes:
        print(f"twolane: {note.path}:{note.line}: {note.sentence}", file=sys.stderr)
    sys.stdout.write(_formatted(report, how))


def _formatted(report: Report, how: Format) -> str:
    if how is Format.json:
        from twolane.check.formats import json_lines

        return json_lines.write(report)
    if how is Format.sarif:
        from twolane.check.formats import sarif

        return sarif.write(report, _version())
    from twolane.check.formats import github

    return github.write(report)


def _explain(code: str) -> None:
    from twolane.check.pages import page
    from twolane.check.rules import RULES

    for rule in RULES:
        if rule.code == code.upper():
            print(page(rule), end="")
            return
    raise SettingsError(f"there is no rule {code}; there are {', '.join(rule.code for rule in RULES)}")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}") from None


def _version() -> str:
    try:
        return version("twolane")
    except PackageNotFoundError:
        return "0"
