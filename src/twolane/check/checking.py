"""Check a tree: from a folder to a report. The rooms in the order in which they are gone through."""

from __future__ import annotations

import gc
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from twolane.check.callers import Callers
from twolane.check.change import Change, edited, planned
from twolane.check.config import Config
from twolane.check.edits import Edits
from twolane.check.evidence import Gathered, Gatherer
from twolane.check.files import Note, is_test, walk
from twolane.check.home import Home
from twolane.check.names import Names
from twolane.check.own import answers
from twolane.check.report import Checked, Finding, Report
from twolane.check.rule import FileView
from twolane.check.rules import FINDINGS
from twolane.check.scopes import Parameter
from twolane.check.server_limits import limits
from twolane.check.sites import Finder, Site, may_start
from twolane.check.suppress import Suppressions
from twolane.check.tree import Module, Tree
from twolane.check.verdict import judge

_WEB = re.compile(r"^[ \t]*(?:from|import)[ \t]+(?:fastapi|starlette|twolane)\b", re.MULTILINE)

_UNPARSED = "what a machine would write here does not parse: write the change by hand"
Key: TypeAlias = tuple[str, int, str]
"""A site: path, line, callee."""


def check(
    root: Path, config: Config | None = None, *, name: str | None = None, changes: bool = False
) -> Report:
    """Check the Python below a root. Nothing of it is imported, executed or written.

    Args:
        root: a folder, or one file. It must exist.
        config: what is excluded and ignored.
        name: how the root is called in the report.
        changes: also write the changes that a machine can make, of all sites and of each alone.

    Returns:
        What was found; what could not be read is in its notes.
    """
    with _uncollected():
        return _check(root, config or Config(), name or str(root), changes=changes)


@contextmanager
def _uncollected() -> Generator[None]:
    """Without the garbage collector, which would look at each of a million nodes again and again: half of the time.

    Nothing that is let go of on the way holds on to itself in a circle.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _check(root: Path, settings: Config, name: str, *, changes: bool) -> Report:
    notes: list[Note] = []
    tree = Tree.read(walk(root, settings.exclude, notes), notes)
    report = Report(name, notes=notes)
    report.uses_fastapi = any(_WEB.search(module.text) for module in tree.modules.values())
    if report.uses_fastapi:
        _Checker(tree, root, settings, report, changes=changes).run()
    tree.prove()
    notes.sort(key=lambda note: (note.path, note.line))
    report.files = len(tree.modules)
    report.lines = sum(module.line_count for module in tree.modules.values())
    unread = [Finding(note.path, note.line, "TL001", note.sentence) for note in notes if note.unread]
    report.findings += [each for each in unread if not settings.ignores("TL001", each.path)]
    report.findings.sort(key=lambda each: (each.path, each.line, each.code))
    return report


class _Checker:
    """One check of one tree."""

    def __init__(self, tree: Tree, root: Path, config: Config, report: Report, *, changes: bool) -> None:
        self.tree = tree
        self.config = config
        self.report = report
        self.changes = changes
        self.planned: dict[Key, Change] = {}
        self.unchanged: set[tuple[str, int]] = set()
        self.names = Names(tree)
        self.callers = Callers(self.names)
        self.also_tests = root.is_file()  # it was named
        self.finder = Finder(self.names, self.callers, also_tests=self.also_tests)
        self.gatherer = Gatherer(
            self.names, self.callers, limits(root, ((m.rel, m.text) for m in tree.modules.values()))
        )

    @cached_property
    def home(self) -> Home:
        """Where the changes find their `tasks`."""
        return Home(self.names)

    def run(self) -> None:
        """Go through the files in order of their paths."""
        sites: dict[Key, Checked] = {}
        for module in list(self.tree.modules.values()):
            if is_test(module.rel) and not self.also_tests:
                continue
            suppressions = Suppressions(module)
            for site in self._sites(module):
                sites.setdefault((site.path, site.line, site.callee), suppressions.apply(site))
            self._file(module, suppressions)
            self.report.findings += suppressions.unexplained
            self.tree.pinned = None
            self._trim()
        self._change(sites)
        self.report.sites = sorted(sites.values(), key=lambda site: (site.path, site.line))

    def _sites(self, module: Module) -> list[Checked]:
        made: list[Checked] = []
        self.tree.pinned = module  # its sites hold on to its functions
        for site in self.finder.find(module):
            made.append(self._checked(site))
            self._trim()
        return made

    def _trim(self) -> None:
        """Let go of functions, and with them of all that remembers their nodes."""
        if self.tree.trim():
            self.names.forget()
            self.callers.forget()
            self.gatherer.forget()

    def _checked(self, site: Site) -> Checked:
        found = self.gatherer.gather(site)
        judged = judge(found)
        checked = Checked(
            path=site.path,
            line=site.line,
            end_line=site.place.call.end_lineno or site.line,
            kind=site.kind,
            callee=site.called,
            verdict=judged.verdict,
            code=judged.code,
            evidence=judged.evidence,
            findings=tuple(self._findings(found)),
            source=site.place.module.line(site.line).strip(),
        )
        if self.config.ignores(checked.code, checked.path):
            checked = checked.accept("ignored in pyproject.toml")
        return self._planned(site, checked, planned(found, judged) if checked.accepted is None else "")

    def _planned(self, site: Site, checked: Checked, change: Change | str) -> Checked:
        """A site whose change is made later, or with why there is none."""
        if isinstance(change, Change):
            self.planned.setdefault((checked.path, checked.line, checked.callee), change)
            return replace(checked, mechanical=True)
        self._remember(site)
        return replace(checked, by_hand=change)

    def _change(self, sites: dict[Key, Checked]) -> None:
        """Make the changes, all at once: text is looked at once a file. What would not parse is left to a human."""
        if not self._edits(self.planned).holds():
            for key in [
                key for key, change in self.planned.items() if not self._edits({key: change}).holds()
            ]:
                del self.planned[key]
                sites[key] = replace(sites[key], mechanical=False, by_hand=_UNPARSED)
        if self.changes:
            self.report.diff = self._edits(self.planned).diff()
            for key, change in self.planned.items():
                sites[key] = replace(sites[key], change=self._edits({key: change}).diff())

    def _edits(self, planned: dict[Key, Change]) -> Edits:
        changes = list(planned.values())
        return edited(changes, self.tree, self.home, self._kept(changes))

    def _remember(self, site: Site) -> None:
        """Which handlers go on to use what they take."""
        for scope in site.place.scope.functions():
            for bindings in scope.bindings.values():
                self.unchanged |= {
                    (site.path, binding.arg.lineno) for binding in bindings if isinstance(binding, Parameter)
                }

    def _kept(self, changes: list[Change]) -> set[tuple[str, int]]:
        """The handlers that go on to add what is not changed."""
        return {(c.path, c.parameter.lineno) for c in changes if c.parameter is not None} & self.unchanged

    def _findings(self, found: Gathered) -> list[Finding]:
        made: list[Finding] = []
        site = found.view.site
        for rule in FINDINGS:
            for hit in rule.of_site(found.view) if rule.of_site is not None else ():
                finding = Finding(hit.path or site.path, hit.line, rule.code, hit.reason)
                if not self.config.ignores(rule.code, finding.path) and finding not in made:
                    made.append(finding)
        return made

    def _file(self, module: Module, suppressions: Suppressions) -> None:
        found = [
            Finding(module.rel, line, code, reason) for line, code, reason in answers(self.gatherer, module)
        ]
        if may_start(module):
            view = FileView(self.tree, module, self.names, self.finder, [])
            for rule in FINDINGS:
                hits = rule.of_file(view) if rule.of_file is not None else ()
                found += [Finding(module.rel, hit.line, rule.code, hit.reason) for hit in hits]
        self.report.findings += [
            each
            for each in found
            if not self.config.ignores(each.code, each.path)
            and suppressions.reason(each.line, {each.code}) is None
        ]
