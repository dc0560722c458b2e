"""A file of old findings: what stands in it does not count, what is new does.

An entry is recognized by the text of its line and not by its number, so that code above it may change.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from twolane.check.report import Checked, Finding, Report
from twolane.values.errors import SettingsError

VERSION = 1
Key = tuple[str, str, str]


def write(report: Report) -> str:
    """What a report has to say, as a baseline."""
    counted = Counter(
        [*(_site(site) for site in report.breaking), *(_finding(each) for each in report.all_findings)]
    )
    entries = [
        {"path": path, "code": code, "what": what, "count": count}
        for (path, code, what), count in sorted(counted.items())
    ]
    return json.dumps({"version": VERSION, "findings": entries}, indent=1, ensure_ascii=False) + "\n"


def read(file: Path) -> Counter[Key]:
    """A baseline.

    Raises:
        SettingsError: it is missing, or no baseline.
    """
    try:
        form: Any = json.loads(file.read_text("utf-8"))
        version = form["version"]
        known = {(str(e["path"]), str(e["code"]), str(e["what"])): int(e["count"]) for e in form["findings"]}
    except FileNotFoundError:
        raise SettingsError(f"there is no baseline {file}: make one with --write-baseline {file}") from None
    except (KeyError, TypeError, AttributeError):
        raise SettingsError(f"{file} is no baseline of twolane's: it is JSON of another form") from None
    except OSError as error:
        raise SettingsError(f"the baseline {file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{file} is no baseline of twolane's: {error}") from None
    if version != VERSION:
        raise SettingsError(
            f"the baseline {file} is of version {version!r}, and this is twolane with {VERSION}"
        )
    return Counter(known)


def apply(report: Report, known: Counter[Key]) -> None:
    """Take what a baseline knows out of what counts."""
    left = Counter(known)
    sites: list[Checked] = []
    for site in report.sites:
        if site.breaks and _take(left, _site(site)):
            site = site.accept("baseline")  # noqa: PLW2901
        kept = tuple(each for each in site.findings if not _take(left, _finding(each)))
        sites.append(replace(site, findings=kept))
    report.sites = sites
    report.findings = [each for each in report.findings if not _take(left, _finding(each))]


def _take(left: Counter[Key], key: Key) -> bool:
    if left[key] <= 0:
        return False
    left[key] -= 1
    return True


def _site(site: Checked) -> Key:
    return site.path, "queue", site.callee


def _finding(found: Finding) -> Key:
    return found.path, found.code, _without_lines(found.reason)


def _without_lines(text: str) -> str:
    """Numbers of lines in a sentence move when code above them changes."""
    import re

    return re.sub(r"\d+", "#", text)
