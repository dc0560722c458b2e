"""What `twolane check` shows in a terminal: the headline, then the worst first."""

from __future__ import annotations

import sys

from twolane.check.report import Checked, Finding, Report
from twolane.cli.screen import block, line

_MOST_SITES = 200


def show(report: Report, *, diff: bool) -> None:
    """Print a report."""
    line(report.headline, "bold")
    loose = _loose(report)
    found = {(each.path, each.line, each.reason) for each in loose}
    for note in report.notes:
        if (note.path, note.line, note.sentence) in found:
            continue  # a finding: it stands below
        line(f"{note.path}:{note.line}: {note.sentence}", "yellow")
    for site in [*_worst_first(report.breaking)][:_MOST_SITES]:
        _site(site, "must not be lost", "red")
    for site in report.unsure:
        _site(site, "nobody can tell from the code: ask the question", "yellow")
    if loose:
        line("")
        line("besides", "bold")
        for each in loose:
            _finding(each)
    if diff:
        _diff(report.diff)
    elif not report.clean:
        line("")
        line(
            "twolane check --explain TL101 tells of a rule; # twolane: ignore[TL101] REASON behind a line answers it."
        )


def _diff(diff: str) -> None:
    """A patch is printed as it is, but for a terminal: what the code holds cannot write over that."""
    print()
    if not diff:
        line("no change is mechanical enough to be made by a machine")
    elif sys.stdout.isatty():
        block(diff, indent="")
    else:
        sys.stdout.write(diff)


def _worst_first(sites: list[Checked]) -> list[Checked]:
    return sorted(sites, key=lambda site: (-sum(e.weight for e in site.evidence), site.path, site.line))


def _loose(report: Report) -> list[Finding]:
    """Findings that were not shown beside their site."""
    shown = {each for site in [*report.breaking, *report.unsure] for each in site.findings}
    return [each for each in report.all_findings if each not in shown]


def _site(site: Checked, verdict: str, style: str) -> None:
    line("")
    line(f"{site.path}:{site.line}: {site.callee}: {verdict} [{site.code}]", style)
    block(site.source)
    for each in site.evidence:
        line(f"  {each.code}  {each.path}:{each.line}: {each.reason}")
    for found in site.findings:
        _finding(found)
    if site.by_hand:
        line(f"  by hand: {site.by_hand}")
    elif site.mechanical:
        because = site.evidence[0].because
        line(
            f'  suggested: @tasks.task(if_lost="alert", because="{because}"); --diff prints the whole change'
        )


def _finding(found: Finding) -> None:
    line(f"  {found.code}  {found.path}:{found.line}: {found.reason}")
