"""What a check found, as values that every format writes in its own way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from twolane.check.files import Note
from twolane.check.rule import Evidence
from twolane.check.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """An anti-pattern, or a file that could not be checked."""

    path: str
    line: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A site with its verdict.

    Attributes:
        path: relative to the scanned root.
        line: where the call begins, from 1.
        end_line: where it ends.
        kind: how the work is started.
        callee: what is called, as it is written.
        verdict: `queue`, `background` or `unsure`.
        code: the rule that says most; TL000: none does.
        evidence: why, the strongest first.
        findings: anti-patterns at this site.
        source: the line as it is.
        accepted: the reason of a suppression, or `baseline`; None: it counts.
        mechanical: whether a machine can make the smallest change.
        change: that change alone, as a unified diff, where it was asked for.
        by_hand: why there is none, and what to do by hand, in one sentence.
    """

    path: str
    line: int
    end_line: int
    kind: str
    callee: str
    verdict: Verdict
    code: str
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    source: str = ""
    accepted: str | None = None
    mechanical: bool = False
    change: str = ""
    by_hand: str = ""

    @property
    def breaks(self) -> bool:
        """Whether it breaks the rule, and nobody has said that it may."""
        return self.verdict == "queue" and self.accepted is None

    def accept(self, reason: str) -> Checked:
        """The same, with a reason why it does not count."""
        return replace(self, accepted=reason)


@dataclass(eq=False)
class Report:
    """All that was found below a root.

    Attributes:
        root: what was checked, as it was named.
        sites: in order of path and line.
        findings: anti-patterns that belong to no site.
        notes: what could not be read.
        files: how many files were read.
        lines: how many lines they have.
        uses_fastapi: whether any of them imports FastAPI or Starlette.
        diff: the smallest changes of all sites that are sure, as one unified diff, where it was asked for.
    """

    root: str
    sites: list[Checked] = field(default_factory=list[Checked])
    findings: list[Finding] = field(default_factory=list[Finding])
    notes: list[Note] = field(default_factory=list[Note])
    files: int = 0
    lines: int = 0
    uses_fastapi: bool = False
    diff: str = ""

    @property
    def breaking(self) -> list[Checked]:
        """Those that break the rule."""
        return [site for site in self.sites if site.breaks]

    @property
    def unsure(self) -> list[Checked]:
        """Those that nobody can tell from the code."""
        return [site for site in self.sites if site.verdict == "unsure" and site.accepted is None]

    @property
    def all_findings(self) -> list[Finding]:
        """Findings at sites that count, and those of their own."""
        at_sites = [each for site in self.sites if site.accepted is None for each in site.findings]
        return sorted({*at_sites, *self.findings}, key=lambda each: (each.path, each.line, each.code))

    @property
    def clean(self) -> bool:
        """Whether there is nothing to do."""
        return not self.breaking and not self.all_findings

    @property
    def read(self) -> str:
        """What was read, for a person: files, lines, and where."""
        root = "this folder" if self.root == "." else self.root
        return f"{_counted(self.files, 'file')}, {_counted(self.lines, 'line')} of {root}"

    @property
    def headline(self) -> str:
        """The sentence that says it all."""
        if not self.uses_fastapi:
            return f"no FastAPI or Starlette in {_counted(self.files, 'file')}: nothing to ask"
        return (
            f"{_counted(len(self.sites), 'background task')}, {len(self.breaking)} "
            f"{'breaks' if len(self.breaking) == 1 else 'break'} the rule, {len(self.unsure)} unsure"
        )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
