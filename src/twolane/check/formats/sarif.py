"""SARIF 2.1.0, as code scanning takes it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from twolane.check.pages import page
from twolane.check.report import Report
from twolane.check.rules import RULES

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def write(report: Report, version: str) -> str:
    """The report as one SARIF document.

    Args:
        report: what was found.
        version: twolane's own.
    """
    results = [
        _result(
            each.code,
            "error",
            f"{each.callee}: must not be lost. {each.evidence[0].reason if each.evidence else ''}",
            each.path,
            each.line,
            [(why.path, why.line, why.reason) for why in each.evidence],
        )
        for each in report.breaking
    ]
    results += [
        _result(each.code, "warning", each.reason, each.path, each.line, []) for each in report.all_findings
    ]
    rules = [
        {
            "id": rule.code,
            "name": rule.title,
            "shortDescription": {"text": rule.title},
            "help": {"text": page(rule), "markdown": page(rule)},
        }
        for rule in RULES
    ]
    driver = {"name": "twolane check", "version": version, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _result(
    code: str, level: str, text: str, path: str, line: int, related: list[tuple[str, int, str]]
) -> dict[str, Any]:
    form: dict[str, Any] = {
        "ruleId": code,
        "level": level,
        "message": {"text": text},
        "locations": [_location(path, line)],
    }
    if related:
        form["relatedLocations"] = [
            {**_location(where, at), "id": number, "message": {"text": why}}
            for number, (where, at, why) in enumerate(related)
        ]
    return form


def _location(path: str, line: int) -> dict[str, Any]:
    return {
        "physicalLocation": {"artifactLocation": {"uri": quote(path)}, "region": {"startLine": max(line, 1)}}
    }
