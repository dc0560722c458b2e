"""The wheel holds all that the demo needs: the example app with its pages, and nothing of a checkout beside it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.absent import absent

ROOT = Path(__file__).parents[2]
APP = ROOT / "examples" / "flights" / "app"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of this tree."""
    if importlib.util.find_spec("hatchling") is None:
        absent("hatchling is not installed, so no wheel can be built")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """A folder with what the wheel would install."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    return tmp_path / "site"


def test_each_file_of_the_example_is_there(installed: Path) -> None:
    packed = installed / "twolane" / "_examples" / "flights" / "app"
    ours = {
        each.relative_to(APP) for each in APP.rglob("*") if each.is_file() and "__pycache__" not in each.parts
    }
    assert {Path("schema.sql"), Path("templates/front.html"), Path("static/live.js")} < ours
    assert {each.relative_to(packed) for each in packed.rglob("*") if each.is_file()} == ours


@pytest.mark.long
def test_the_demo_plays_from_it(installed: Path, tmp_path: Path, small_file: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(installed), "TMPDIR": str(tmp_path)}

    def twolane(*arguments: str) -> Any:
        """What the command prints as JSON."""
        command = [sys.executable, "-m", "twolane", *arguments, "--json"]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    where = [sys.executable, "-c", "import twolane; print(twolane.__file__)"]
    used = subprocess.run(where, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert used.stdout.startswith(str(installed))
    told = twolane("demo", "--keep", "--seed", "1", "--csv", str(small_file))
    survives_three_kills(told)
    [folder] = tmp_path.glob("twolane-demo-*")
    environment["TWOLANE_QUEUE"] = f"sqlite:///{folder}/twolane.db"
    can_be_priced_by_what_it_has_measured(twolane("price", "--from-records", "2d"), small_file)


def survives_three_kills(told: Any) -> None:
    assert told["rows_in_file"] == told["rows_imported"] + told["rows_rejected"] > 20_000
    assert told["rows_rejected"] == 20
    assert (told["kills"], told["alerts"], told["lost"], told["seed"]) == (3, 3, 0, 1)
    assert {(each["task"], each["reason"]) for each in told["dead_letters"]} == {
        ("", "unreadable"),
        ("always_raises", "attempts_exhausted"),
        ("kills_its_process", "crashed"),
    }
    assert told["problems"] == []


def can_be_priced_by_what_it_has_measured(report: Any, file: Path) -> None:
    tasks = {each["task"]: each for each in report["workload"]["tasks"]}
    assert set(tasks) == {"import_flights", "always_raises", "kills_its_process"}
    flights = tasks["import_flights"]
    assert flights["payload_bytes"] == pytest.approx(file.stat().st_size, rel=0.01)
    assert flights["retries"] >= 3 / 4  # three kills, then it is done
    assert flights["duration_s"] > 0
    assert any(each["meter"] == "S3" for way in report["ways"] for each in way["lines"])
