"""The Makefile, tools/venv and .ci/run: what a person types on a fresh machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.absent import absent

ROOT = Path(__file__).parents[1]


def dry_run(*arguments: str) -> str:
    command = ["make", "--dry-run", "--no-print-directory", "VENV=/nowhere/venv", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=plain()).stdout


def plain(**more: str) -> dict[str, str]:
    ours = ("MAKE", "CSV", "JSON", "SEED", "VENV", "PYTHON", "ARGS", "ROUNDS", "WORKERS", "KILL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


@pytest.fixture(autouse=True)
def make() -> None:
    if shutil.which("make") is None:
        absent("make is not installed")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["demo"], '"/nowhere/venv/bin/twolane" demo'),
        (["demo", "CSV=my file.csv"], '/twolane" demo --csv "my file.csv"'),
        (["demo", "JSON=1", "SEED=7"], '/twolane" demo  --seed "7" --json'),
        (["serve"], '/uvicorn" app.main:app --app-dir examples/flights --host "127.0.0.1" --port "8000"'),
        (["test"], '/python" -m pytest -n auto --dist worksteal'),
        (["test", "ARGS=-x"], '/python" -m pytest -n 0 --dist worksteal -x'),
        (["test", "ARGS=-x", "WORKERS=3"], '/python" -m pytest -n 3 --dist worksteal -x'),
        (["test"], 'tools/venv "/nowhere/venv-aws" requirements/aws-server.txt'),
        (["pictures"], 'TWOLANE_PICTURES=docs/images "/nowhere/venv/bin/python" -m pytest tests/browser'),
        (
            ["kill"],
            'TWOLANE_KILL_ROUNDS="200" "/nowhere/venv/bin/python" -m pytest -n auto --dist worksteal tests/kill',
        ),
        (
            ["kill", "KILL=tests/kill/test_telling.py", "ROUNDS=7", "SEED=5"],
            'TWOLANE_KILL_ROUNDS="7" TWOLANE_KILL_SEED="5" "/nowhere/venv/bin/python" -m pytest -n auto --dist worksteal tests/kill/test_telling.py',
        ),
        (["lint"], '/lint-imports"'),
        (["bench"], '/python" -m benchmarks'),
        (["matrix-oldest"], "requirements/oldest.txt"),
        (["environments"], "requirements/aws-server.txt"),
        (["matrix-0.130"], "tests/fastapi"),
        (["requirements"], "uv pip compile"),
    ],
)
def test_a_target_makes_its_environment_and_runs_its_command(arguments: list[str], command: str) -> None:
    told = dry_run(*arguments)
    assert command in told
    assert "tools/venv" in told


def test_no_json_is_no_json() -> None:
    assert "--json" not in dry_run("demo") + dry_run("demo", "JSON=0")


def test_help_names_every_target() -> None:
    told = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True, env=plain()).stdout
    targets = [line.split()[1] for line in told.splitlines()]
    assert set(targets) >= set("demo serve test kill lint bench requirements matrix help".split())  # noqa: SIM905


def run_venv(folder: Path, path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "tools" / "venv", folder, "requirements/dev.txt"]
    environment = plain(PATH=f"{path}:/usr/bin:/bin", **more)
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def script(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_an_old_python_is_told_in_a_sentence(tmp_path: Path) -> None:
    for name in ("python", "python3", *(f"python3.{minor}" for minor in range(11, 15))):
        script(tmp_path / name, '[ "$1" = --version ] && echo Python 3.9.2 || exit 1')
    done = run_venv(tmp_path / "venv", tmp_path)
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, and python3 is Python 3.9.2." in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_named_python_must_be_one(tmp_path: Path) -> None:
    done = run_venv(tmp_path / "venv", tmp_path, PYTHON=str(tmp_path / "none here"))
    assert done.returncode == 1
    assert "none here is no Python 3.11 or newer" in done.stderr


def test_a_python_without_venv_is_told_what_to_install(tmp_path: Path) -> None:
    script(tmp_path / "python3", 'case "$*" in *venv*) exit 1 ;; esac')
    done = run_venv(tmp_path / "venv", tmp_path)
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


@pytest.mark.parametrize("uv", ["works", "fails"])
def test_uv_is_used_where_present_and_not_needed(tmp_path: Path, uv: str) -> None:
    folder, log = tmp_path / "venv", tmp_path / "log"
    pip = f'echo "pip $*" >> {log}; case "$*" in *"-m venv"*) mkdir -p {folder}/bin; cp "$0" {folder}/bin/python ;; esac'
    script(tmp_path / "python3", pip)
    made = f"mkdir -p {folder}/bin; cp {tmp_path}/python3 {folder}/bin/python"
    script(tmp_path / "uv", f'echo "uv $*" >> {log}; {"exit 1" if uv == "fails" else made}')
    assert run_venv(folder, tmp_path).returncode == 0
    told = log.read_text()
    installer = "uv pip" if uv == "works" else "pip -m pip"
    assert f"{installer} install --quiet" in told
    assert "-r requirements/dev.txt" in told
    assert "--no-deps -e ." in told
    assert (folder / ".ready").exists()


def test_requirements_name_versions_and_no_place() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        for line in file.read_text().splitlines():
            assert "==" in line
            assert "://" not in line


def test_ci_is_a_script_that_can_be_run() -> None:
    for file in (ROOT / ".ci" / "run", ROOT / "tools" / "venv"):
        assert os.access(file, os.X_OK)
        shell = "bash" if file.name == "run" else "sh"
        subprocess.run([shell, "-n", file], check=True)
    assert sys.version_info >= (3, 11)


@pytest.fixture
def ci(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run .ci/run with a `make` that does what a shell script does with the target's name."""

    def run(do: str) -> subprocess.CompletedProcess[str]:
        script(tmp_path / "make", f'echo "[$*]"; cd {tmp_path}; {do}')
        environment = plain(PATH=f"{tmp_path}:/usr/bin:/bin", CI="", TMPDIR=str(tmp_path))
        command = ["bash", ROOT / ".ci" / "run"]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)

    return run


def test_ci_runs_lint_and_the_oldest_beside_the_tests(
    ci: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """The tests end when the others have, and what those say comes afterwards."""
    for name in ("lint", "matrix-oldest"):
        os.mkfifo(tmp_path / name)
    done = ci(
        'case "$1" in test) cat lint matrix-oldest; ;; lint|matrix-oldest) echo "$1 meets" > "$1" ;; esac'
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    order = ["[environments]", "[test]", "lint meets", "matrix-oldest meets", "[lint]", "[matrix-oldest]"]
    assert sorted(order, key=said.index) == order
    for step in ("environments", "test", "lint", "matrix-oldest"):
        assert re.search(rf"^== make {step} took \d+ s$", said, re.MULTILINE)
    assert "== all passed in " in said
    assert {each.name for each in tmp_path.iterdir()} == {"make", "lint", "matrix-oldest"}


@pytest.mark.parametrize("target", ["test", "lint", "matrix-oldest"])
def test_ci_fails_with_any_step_after_all_have_spoken(
    ci: Callable[[str], subprocess.CompletedProcess[str]], target: str
) -> None:
    done = ci(f'echo "$1 to the end"; [ "$1" != {target} ]')
    assert done.returncode == 1
    assert all(f"{each} to the end" in done.stdout for each in ("test", "lint", "matrix-oldest"))
    assert done.stdout.splitlines()[-1] == f"== FAILED: make {target}"


def test_ci_stops_where_no_environment_can_be_made(
    ci: Callable[[str], subprocess.CompletedProcess[str]],
) -> None:
    done = ci('[ "$1" != environments ]')
    assert done.returncode != 0
    assert "[test]" not in done.stdout
