"""An outcome where everything adds up; a small file that is long enough for three kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolane.cli.demo.accounts import DEATHS, Death, Kill, Outcome, RowCount
from twolane.cli.demo.data import generate


@pytest.fixture
def outcome() -> Outcome:
    deaths = [Death(f"d{n}", task, str(reason), 2, "") for n, (task, reason) in enumerate(DEATHS)]
    return Outcome(
        count=RowCount(
            in_file=10, imported=8, rejected=2, merged=0, lost=0, rejected_lines=frozenset({3, 5})
        ),
        bad_lines=frozenset({3, 5}),
        states={"i": "done", **{death.id: "dead" for death in deaths}},
        import_id="i",
        kills=[Kill(pid, 2, 2, 2) for pid in (1, 2, 3)],
        deaths=deaths,
        alerts=3,
        subscribed=3,
        welcomed=3,
        shown_rows=10,
        accepted=4,
    )


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    file = tmp_path / "small.csv"
    generate(file, 1, size_bytes=4_000_000, bad_rows=20)
    return file
