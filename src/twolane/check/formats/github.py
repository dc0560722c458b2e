"""Workflow commands of GitHub Actions: an annotation beside the line, for each that counts."""

from __future__ import annotations

from twolane.check.report import Report


def write(report: Report) -> str:
    """Errors for what breaks the rule, warnings for findings, a notice for the headline."""
    lines = [
        _command(
            "error",
            each.path,
            each.line,
            each.code,
            f"{each.callee}: must not be lost: {_why(each.evidence)}",
        )
        for each in report.breaking
    ]
    lines += [
        _command("warning", each.path, each.line, each.code, each.reason) for each in report.all_findings
    ]
    return "".join(
        f"{line}\n" for line in [*lines, f"::notice title=twolane check::{_data(report.headline)}"]
    )


def _why(evidence: tuple[object, ...]) -> str:
    return str(getattr(evidence[0], "reason", "")) if evidence else ""


def _command(level: str, path: str, line: int, code: str, message: str) -> str:
    return f"::{level} file={_property(path)},line={line},title={code}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
