"""`twolane demo`, played to its end by real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import twolane
from twolane.cli.demo.accounts import Outcome
from twolane.cli.demo.data import CsvFile
from twolane.cli.demo.play import conclude
from twolane.cli.demo.report import Report

DEMO = [sys.executable, "-m", "twolane", "demo", "--json"]
SOURCE = str(Path(twolane.__file__).parents[1])


def play(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    environment = os.environ | {"PYTHONPATH": SOURCE, "TMPDIR": str(tmp_path)}
    command = [*DEMO, *arguments]
    played = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert played.returncode == 0, played.stdout + played.stderr
    assert not list(tmp_path.glob("twolane-demo-*"))
    told: dict[str, Any] = json.loads(played.stdout.splitlines()[-1])
    return told


def test_a_small_import_survives_three_kills(tmp_path: Path, small_file: Path) -> None:
    told = play(tmp_path, "--seed", "1", "--csv", str(small_file))
    assert told["rows_in_file"] == told["rows_imported"] + told["rows_rejected"] > 20_000
    assert told["rows_rejected"] == 20
    assert (told["kills"], told["alerts"], told["lost"], told["seed"]) == (3, 3, 0, 1)
    assert {(each["task"], each["reason"]) for each in told["dead_letters"]} == {
        ("", "unreadable"),
        ("always_raises", "attempts_exhausted"),
        ("kills_its_process", "crashed"),
    }
    assert told["problems"] == []


def test_its_queue_can_be_priced_by_what_it_has_measured(tmp_path: Path, small_file: Path) -> None:
    environment = os.environ | {"PYTHONPATH": SOURCE, "TMPDIR": str(tmp_path)}
    told = [*DEMO, "--keep", "--seed", "1", "--csv", str(small_file)]
    subprocess.run(told, env=environment, cwd=tmp_path, capture_output=True, check=True)
    [folder] = tmp_path.glob("twolane-demo-*")

    asked = [sys.executable, "-m", "twolane", "price", "--from-records", "2d", "--json"]
    environment["TWOLANE_QUEUE"] = f"sqlite:///{folder}/twolane.db"
    priced = subprocess.run(asked, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)

    report = json.loads(priced.stdout)
    tasks = {each["task"]: each for each in report["workload"]["tasks"]}
    assert set(tasks) == {"import_flights", "always_raises", "kills_its_process"}
    flights = tasks["import_flights"]
    assert flights["payload_bytes"] == pytest.approx(small_file.stat().st_size, rel=0.01)
    assert flights["retries"] >= 3 / 4  # three kills, then it is done
    assert flights["duration_s"] > 0
    assert any(each["meter"] == "S3" for way in report["ways"] for each in way["lines"])


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="10 MB under three kills: in CI, and by make demo")
def test_the_whole_demo_ends_in_time(tmp_path: Path) -> None:
    told = play(tmp_path)
    assert told["lost"] == 0
    assert told["seconds"] < 90


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
