"""The wheel holds all that the demo needs: the example app with its pages, and nothing of a checkout beside it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = ROOT / "examples" / "flights" / "app"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of this tree."""
    if importlib.util.find_spec("hatchling") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("hatchling is missing")
        pytest.skip("hatchling is not installed, so no wheel can be built")
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


def test_the_demo_plays_from_it(installed: Path, tmp_path: Path, small_file: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(installed), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "twolane", "demo", "--json", "--seed", "1", "--csv", str(small_file)]
    played = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert played.returncode == 0, played.stdout + played.stderr
    told = json.loads(played.stdout.splitlines()[-1])
    assert (told["lost"], told["kills"], told["problems"]) == (0, 3, [])
    where = [sys.executable, "-c", "import twolane; print(twolane.__file__)"]
    used = subprocess.run(where, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert used.stdout.startswith(str(installed))
