"""The plugin is loaded by every pytest run of everybody who has twolane installed: it must cost nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


def loaded_by(statement: str) -> set[str]:
    program = f"import json, sys; sys.path.insert(0, {str(SOURCE)!r}); {statement}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


def test_loading_it_loads_nothing_else() -> None:
    more = loaded_by("import pytest, twolane.pytest_plugin") - loaded_by("import pytest")
    assert more <= {"twolane", "twolane.pytest_plugin"}


def test_a_run_that_does_not_use_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(
        "import sys\n"
        "def test_one():\n"
        "    assert 'twolane.pytest_plugin' in sys.modules\n"
        "    assert not {'twolane.testing', 'twolane.face', 'pydantic', 'fastapi'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "pytest",
            "-q",
            "-p",
            "twolane.pytest_plugin",
            "-p",
            "no:cacheprovider",
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(SOURCE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_fixture_says_what_it_is() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--fixtures",
            "-p",
            "twolane.pytest_plugin",
            "-p",
            "no:cacheprovider",
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent / "engine",
        env={"PYTHONPATH": str(SOURCE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert "Gives a `Tasks` a queue in memory" in done.stdout, done.stdout + done.stderr
