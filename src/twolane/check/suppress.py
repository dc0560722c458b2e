"""`# twolane: ignore[TL101] best effort by design`: somebody has answered, in the code, with a reason."""

from __future__ import annotations

import re
from dataclasses import replace

from twolane.check.report import Checked, Finding
from twolane.check.rules import is_code
from twolane.check.tree import Module

_COMMENT = re.compile(r"#\s*twolane:\s*ignore(?:\[([^\]]*)\])?[ \t:,-]*(.*)$")


class Suppressions:
    """The suppressions of a file; those without codes that there are, or without a reason, suppress nothing."""

    def __init__(self, module: Module) -> None:
        self.unexplained: list[Finding] = []
        self._at: dict[int, tuple[tuple[str, ...], str]] = {}
        if "twolane:" not in module.text:
            return
        for number, line in enumerate(module.text.split("\n"), 1):
            match = _COMMENT.search(line)
            if match is None:
                continue
            codes = tuple(code.strip() for code in (match[1] or "").split(",") if code.strip())
            reason = match[2].strip()
            unknown = [code for code in codes if not is_code(code)]
            if not codes or not reason or unknown:
                what = "a reason behind it" if codes else "the codes it means, as ignore[TL101], and a reason"
                what = f"codes that there are: none begins with {', '.join(unknown)}" if unknown else what
                self.unexplained.append(
                    Finding(module.rel, number, "TL002", f"this suppression needs {what}")
                )
                continue
            below = number + 1 if line.lstrip().startswith("#") else number
            self._at[below] = (codes, reason)

    def reason(self, line: int, codes: set[str], end: int | None = None) -> str | None:
        """Why one of these codes does not count at a place; None: it counts."""
        for number in range(line, (end or line) + 1):
            told, reason = self._at.get(number, ((), ""))
            if told and any(code.startswith(told) for code in codes):
                return reason
        return None

    def apply(self, site: Checked) -> Checked:
        """A site without what is suppressed at it."""
        if not self._at:
            return site
        kept = tuple(
            each
            for each in site.findings
            if self.reason(site.line, {each.code}, site.end_line) is None
            and (each.path != site.path or self.reason(each.line, {each.code}) is None)
        )
        site = replace(site, findings=kept)
        reason = self.reason(site.line, {site.code, *(each.code for each in site.evidence)}, site.end_line)
        return site if reason is None else site.accept(reason)
