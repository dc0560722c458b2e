"""Patches over many shapes: each applies, parses, and touches nothing but what it names. And the hook of pre-commit."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.check.code import PRELUDE, checked
from twolane.check.checking import check
from twolane.check.rules import RULES

ROOT = Path(__file__).parents[2]
PATCHED = re.compile(r"^(?:---|\+\+\+) [ab]/(.+)$", re.MULTILINE)


def _files(folder: Path) -> dict[str, str]:
    return {each.relative_to(folder).as_posix(): each.read_text() for each in folder.rglob("*.py")}


def test_the_patch_for_every_example_of_a_rule_applies_and_parses(tmp_path: Path) -> None:
    patched = 0
    for rule in RULES:
        if rule.code == "TL001":
            continue  # its example is a file that does not parse
        folder = tmp_path / rule.code
        report = checked(folder, main=PRELUDE + rule.bad, changes=True)
        if not report.diff:
            assert not any(site.change for site in report.sites)
            continue
        before = _files(folder)
        subprocess.run(["git", "apply", "-p1"], cwd=folder, input=report.diff, text=True, check=True)
        after = _files(folder)
        changed = {name for name in after if after[name] != before.get(name)}
        assert changed == set(PATCHED.findall(report.diff)) - {"/dev/null"}
        for name in changed:
            ast.parse(after[name])
        patched += 1
    assert patched > 10


def test_the_examples_of_this_project_need_no_patch() -> None:
    report = check(ROOT / "examples" / "flights", changes=True)
    assert report.files > 5
    assert report.diff == ""
    assert not [site for site in report.sites if site.verdict == "queue"]


def test_the_hook_runs_as_pre_commit_runs_it(tmp_path: Path) -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    hook = dict(line.strip(" -").split(": ", 1) for line in text.splitlines())
    assert {"id", "name", "entry", "language"} <= hook.keys()
    assert hook.items() >= {"language": "python", "pass_filenames": "false"}.items()
    (tmp_path / "main.py").write_text(PRELUDE + next(each.bad for each in RULES if each.code == "TL101"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        shlex.split(hook["entry"]),
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert "TL101" in ran.stdout
