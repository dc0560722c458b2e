"""`twolane demo`, played to its end by real processes. From a wheel, with a small file: test_wheel.py."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import twolane
from tests.forks import run
from twolane.cli.demo.accounts import Outcome
from twolane.cli.demo.data import CsvFile
from twolane.cli.demo.play import conclude
from twolane.cli.demo.report import Report

SOURCE = str(Path(twolane.__file__).parents[1])


@pytest.mark.long
def test_the_whole_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": SOURCE, "TMPDIR": str(tmp_path)}
    played = run("twolane", "demo", "--json", environment=environment, folder=tmp_path)
    assert played.returncode == 0, played.stdout + played.stderr
    told = json.loads(played.stdout.splitlines()[-1])
    assert (told["lost"], told["kills"], told["problems"]) == (0, 3, [])
    assert not list(tmp_path.glob("twolane-demo-*"))


@pytest.mark.parametrize(("alerts", "code"), [(3, 0), (2, 1)])
def test_what_does_not_add_up_is_exit_code_1(
    outcome: Outcome, capsys: pytest.CaptureFixture[str], alerts: int, code: int
) -> None:
    outcome = replace(outcome, alerts=alerts)
    file = CsvFile(Path("f.csv"), "a file")
    assert conclude(Report(quiet=True), outcome, seconds=1.5, seed=7, file=file) == code
    told = capsys.readouterr()
    assert len(json.loads(told.out)["problems"]) == code
    assert ("NOT ACCOUNTED FOR" in told.err) == bool(code)


def test_a_person_sees_the_accounts(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude(Report(quiet=False), outcome, seconds=1.5, seed=7, file=CsvFile(Path("f.csv"), "")) == 0
    told = capsys.readouterr().out
    for part in ("rows in the file", "resumed at row", "kills_its_process", "Nothing lost"):
        assert part in told
