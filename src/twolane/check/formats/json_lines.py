"""One JSON object a line: sites with their verdicts, then findings that belong to no site."""

from __future__ import annotations

import json
from typing import Any

from twolane.check.report import Checked, Finding, Report


def write(report: Report) -> str:
    """The report as JSON lines, in order of path and line."""
    forms = [
        *((each.path, each.line, site(each)) for each in report.sites),
        *((each.path, each.line, {"kind": "finding", **finding(each)}) for each in report.findings),
    ]
    return "".join(
        f"{json.dumps(form, ensure_ascii=False)}\n" for _, _, form in sorted(forms, key=lambda f: f[:2])
    )


def site(checked: Checked) -> dict[str, Any]:
    """A site."""
    form: dict[str, Any] = {
        "path": checked.path,
        "line": checked.line,
        "end_line": checked.end_line,
        "how": checked.kind,
        "verdict": checked.verdict,
        "callee": checked.callee,
        "code": checked.code,
        "evidence": [
            {"path": each.path, "line": each.line, "code": each.code, "reason": each.reason}
            for each in checked.evidence
        ],
        "findings": [finding(each) for each in checked.findings],
    }
    if checked.accepted is not None:
        form["accepted"] = checked.accepted
    if checked.change:
        form["diff"] = checked.change
    if checked.by_hand:
        form["by_hand"] = checked.by_hand
    return form


def finding(found: Finding) -> dict[str, Any]:
    """A finding."""
    return {"path": found.path, "line": found.line, "code": found.code, "reason": found.reason}
