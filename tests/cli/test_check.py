"""`twolane check` as a person types it: formats, exit codes, files it writes, what it loads."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forks

BREAKS = """\
from fastapi import BackgroundTasks, FastAPI
app = FastAPI()

def save(n: int) -> None:
    session.commit()

@app.post("/")
def f(b: BackgroundTasks):
    b.add_task(save, 1)
"""
CLEAN = "from fastapi import FastAPI\napp = FastAPI()\n"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    return forks.run("twolane", "check", *arguments, environment=environment, folder=folder)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(BREAKS)
    return tmp_path


RESET = """
from fastapi import BackgroundTasks, FastAPI
from mail import send_reset_mail

app = FastAPI()

@app.post("/reset")
def reset(email: str, b: BackgroundTasks):
    b.add_task(send_reset_mail, email)
    return {"detail": "Reset email sent"}
"""


def test_what_is_suggested_is_python_and_what_diff_prints(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(RESET)
    (tmp_path / "mail.py").write_text(
        "import smtplib\n\n\ndef send_reset_mail(email: str) -> None:\n"
        '    with smtplib.SMTP("m") as server:\n        server.sendmail("a", email, "x")\n'
    )
    told = run(tmp_path).stdout
    suggested = [each for each in told.splitlines() if "suggested: " in each]
    assert len(suggested) == 1
    decorator = suggested[0].partition("suggested: ")[2].partition("; --diff prints the whole change")[0]
    ast.parse(decorator.removeprefix("@"))
    assert f"+{decorator}" in run(tmp_path, "--diff").stdout.splitlines()


def test_what_no_machine_changes_is_said_to_be_work_by_hand(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(RESET)
    told = run(tmp_path).stdout
    assert "  by hand: the code of send_reset_mail is not in this tree" in told
    assert "--diff" not in told
    assert "no change is mechanical enough" in run(tmp_path, "--diff").stdout


def test_what_breaks_the_rule_is_1_and_says_the_headline_first(shop: Path) -> None:
    done = run(shop)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "1 background task, 1 breaks the rule, 0 unsure"
    assert "app.py:9: save: must not be lost [TL101]" in lines
    assert "    b.add_task(save, 1)" in lines
    assert "  TL101  app.py:5: writes to the database: session.commit()" in lines
    assert any(
        'suggested: @tasks.task(if_lost="alert", because="writes to the database")' in line for line in lines
    )


def test_nothing_to_say_is_0(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CLEAN)
    done = run(tmp_path, ".")
    assert (done.returncode, done.stdout) == (0, "0 background tasks, 0 break the rule, 0 unsure\n")


def test_a_file_that_does_not_parse_is_1(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CLEAN)
    (tmp_path / "old.py").write_text("print 'a'\n")
    done = run(tmp_path, "--format", "json")
    assert done.returncode == 1
    assert done.stderr.startswith("twolane: old.py:1: this file does not parse with Python 3.")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "twolane: there is nothing at nowhere"),
        (["--explain", "TL999"], "twolane: there is no rule TL999; there are TL000, TL001"),
        (["--baseline", "none.json"], "twolane: there is no baseline none.json"),
        (["--html", "no/folder.html"], "twolane: no/folder.html cannot be written"),
        (["--format", "xml"], "twolane: --format takes text, json, sarif, github, not xml"),
        (["notes.ipynb"], "twolane: notes.ipynb is no Python source"),
        ([""], "twolane: there is nothing at ''"),
        (
            ["--diff", "--format", "github"],
            "twolane: --diff goes with --format text or json: github has no place",
        ),
    ],
)
def test_wrong_usage_is_2_and_one_sentence(shop: Path, arguments: list[str], sentence: str) -> None:
    (shop / "notes.ipynb").write_text("{}")
    done = run(shop, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


def test_a_file_that_cannot_be_read_is_said_once(shop: Path) -> None:
    (shop / "old.py").write_text("print 'x'\n")
    assert run(shop, ".").stdout.count("old.py:1: this file does not parse") == 1


@pytest.mark.parametrize("how", ["json", "sarif", "github"])
def test_formats(shop: Path, how: str) -> None:
    done = run(shop, ".", "--format", how)
    assert done.returncode == 1
    assert "TL101" in done.stdout
    if how != "github":
        json.loads(done.stdout)


def test_a_page_for_the_team(shop: Path) -> None:
    assert run(shop, "--html", "report.html").returncode == 1
    page = (shop / "report.html").read_text()
    assert "1 background task, 1 breaks the rule" in page
    assert " of this folder." in page


def test_explain_prints_the_page_of_a_rule(shop: Path) -> None:
    done = run(shop, "--explain", "tl101")
    assert done.returncode == 0
    assert done.stdout.startswith("# TL101: writes to a database\n")


def test_a_baseline_from_the_command_line_and_from_pyproject(shop: Path) -> None:
    assert run(shop, "--write-baseline", "old.json").returncode == 0
    assert run(shop, "--baseline", "old.json").returncode == 0
    (shop / "pyproject.toml").write_text('[tool.twolane.check]\nbaseline = "old.json"\n')
    assert run(shop).returncode == 0


def test_the_diff_can_be_applied(shop: Path) -> None:
    done = run(shop, "--diff")
    patch = done.stdout[done.stdout.index("--- a/app.py") :]
    subprocess.run(["git", "apply", "-"], cwd=shop, input=patch, text=True, check=True)
    assert run(shop).returncode == 0


def test_exclude_leaves_paths_out(shop: Path) -> None:
    assert run(shop, "--exclude", "app.py").returncode == 0


def test_nothing_of_a_framework_is_loaded(shop: Path) -> None:
    code = (
        "import sys; sys.argv = ['twolane', 'check', '--format', 'json']\n"
        "from twolane.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'fastapi', 'starlette', 'app'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=shop)
    assert done.stderr == "[]\n"
