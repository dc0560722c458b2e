"""The work of a check grows with the code, however it is cut into files. Work is counted, never timed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import pytest

import twolane.check.tree as trees
from benchmarks.checks import make
from twolane.check.checking import check

TWICE = 2.25
"""Twice the code may cost this much more: sorting and looking up grow a little faster."""


KEEPS = """
    async def keep_{i}(self) -> None:
        self.task_{i} = asyncio.create_task(self.save({i}))
"""


def work(folder: Path, lines: int, methods: int) -> float:
    """Calls of functions, Python's and C's, for each line of a made code base."""
    made = make(folder, lines, methods)
    return calls_of(folder) / made


def calls_of(folder: Path) -> int:
    """Calls of functions, Python's and C's, of a check."""
    calls = 0

    def count(_frame: FrameType, event: str, _given: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        report = check(folder)
    finally:
        sys.setprofile(None)
    assert report.sites
    return calls


@pytest.mark.parametrize("methods", [20, 120], ids=["many files", "few huge ones"])
def test_twice_the_lines_are_twice_the_work(
    methods: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "KEPT_LINES", 500)  # as far below the tree as 20,000 are below a large one
    small = work(tmp_path / "small", 3_000, methods)
    large = work(tmp_path / "large", 6_000, methods)
    assert large / small < TWICE / 2


def test_one_file_of_twice_the_lines_is_twice_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "KEPT_LINES", 500)
    small = work(tmp_path / "small", 1, 120)
    large = work(tmp_path / "large", 1, 240)
    assert large / small < TWICE / 2


def test_a_class_that_keeps_twice_the_tasks_is_twice_the_work(tmp_path: Path) -> None:
    counted: list[int] = []
    for count in (40, 80):
        keeps = "".join(KEEPS.format(i=i) for i in range(count))
        text = f"import asyncio\nfrom fastapi import FastAPI\n\napp = FastAPI()\n\n\nclass Keeper:\n    async def save(self, n):\n        session.commit()\n{keeps}"
        text += "\n\n@app.post('/')\nasync def f(keeper: Keeper):\n" + "".join(
            f"    await keeper.keep_{i}()\n" for i in range(count)
        )
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / "main.py").write_text(text)
        counted.append(calls_of(folder))
    assert counted[1] / counted[0] < TWICE


def test_hardly_a_line_is_parsed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "KEPT_LINES", 500)
    made = make(tmp_path, 6_000, 120)
    read: list[trees.Tree] = []
    original = trees.Tree.read.__func__  # type: ignore[attr-defined]

    def remember(cls: type[trees.Tree], *given: object) -> trees.Tree:
        read.append(original(cls, *given))
        return read[-1]

    monkeypatch.setattr(trees.Tree, "read", classmethod(remember))
    check(tmp_path)
    assert made <= read[0].parsed_lines < 1.5 * made
