"""The pages of the documentation, taken apart: fences, spans of code, links, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Fence:
    page: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def fences(page: Path, language: str | None = None) -> list[Fence]:
    text = page.read_text()
    found = [
        Fence(page, text[: match.start(2)].count("\n") + 1, match[1], match[2])
        for match in _FENCE.finditer(text)
    ]
    return [fence for fence in found if language is None or fence.language == language]


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    return _SPAN.findall(prose(page))


def links(page: Path) -> list[str]:
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
