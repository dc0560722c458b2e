"""What the docs and the error messages tell people to install is there to be installed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_extra_that_is_named_exists_and_the_other_way_round() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    texts = [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "src").rglob("*.py"),
    ]
    named = {
        extra
        for text in texts
        for extras in re.findall(r"twolane\[([a-z,]+)\]", text.read_text("utf-8"))
        for extra in extras.split(",")
    }
    assert named == project["optional-dependencies"].keys()
