"""Suppressions, settings, the baseline: what was answered does not count, and needs its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.code import PRELUDE, checked
from twolane.check import baseline
from twolane.check.config import Config, find_config
from twolane.check.report import Report
from twolane.values.errors import SettingsError

BREAKS = (
    PRELUDE
    + "def save(n):\n    session.commit()\n@app.get('/')\ndef f(b: BackgroundTasks):\n    b.add_task(save, 1)\n"
)


def with_comment(folder: Path, comment: str, above: str = "") -> Report:
    text = BREAKS.replace("    b.add_task(save, 1)", f"{above}    b.add_task(save, 1){comment}")
    return checked(folder, app=text)


@pytest.mark.parametrize(
    ("comment", "above"),
    [
        ("  # twolane: ignore[TL101] best effort by design", ""),
        ("  # twolane: ignore[TL104, TL1] best effort by design", ""),
        ("", "    # twolane: ignore[TL101] best effort by design\n"),
    ],
)
def test_a_suppression_with_its_reason(tmp_path: Path, comment: str, above: str) -> None:
    report = with_comment(tmp_path, comment, above)
    assert report.clean
    assert report.sites[0].accepted == "best effort by design"


@pytest.mark.parametrize(
    "comment", ["  # twolane: ignore[TL101]", "  # twolane: ignore", "  # twolane: ignore because"]
)
def test_a_suppression_without_codes_or_reason_is_a_finding(tmp_path: Path, comment: str) -> None:
    report = with_comment(tmp_path, comment)
    assert len(report.breaking) == 1
    assert [each.code for each in report.findings] == ["TL002"]


def test_a_code_that_no_rule_has_is_said(tmp_path: Path) -> None:
    report = with_comment(tmp_path, "  # twolane: ignore[TL101, TL999] best effort by design")
    assert len(report.breaking) == 1
    (found,) = report.findings
    assert (found.code, found.reason) == (
        "TL002",
        "this suppression needs codes that there are: none begins with TL999",
    )


def test_another_code_suppresses_nothing(tmp_path: Path) -> None:
    assert len(with_comment(tmp_path, "  # twolane: ignore[TL301] no").breaking) == 1


@pytest.mark.parametrize(
    "config",
    [
        Config(ignore=("TL101",)),
        Config(ignore=("TL1",)),
        Config(exclude=("app.py",)),
        Config(per_file_ignores={"*.py": ("TL101",)}),
    ],
)
def test_what_pyproject_leaves_out(tmp_path: Path, config: Config) -> None:
    assert checked(tmp_path, app=BREAKS, config=config).clean


def test_settings_come_from_the_nearest_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.twolane.check]\nexclude = ["a/*"]\nignore = ["TL3"]\nbaseline = "old.json"\n'
    )
    below = tmp_path / "src"
    below.mkdir()
    (below / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    found = find_config(below)
    assert (found.exclude, found.ignore, found.baseline, found.folder) == (
        ("a/*",),
        ("TL3",),
        "old.json",
        tmp_path,
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[tool.twolane.check]\nignroe = []\n", "has no ignroe; there are exclude, ignore"),
        ("[tool.twolane.check]\nignore = 'TL101'\n", "ignore is a list of strings, not 'TL101'"),
        ("[tool.twolane.check]\nper-file-ignores = []\n", "per-file-ignores is a table"),
        (
            "[tool.twolane.check]\nignore = ['TL1', 'TL7', '']\n",
            "ignore has 'TL7', '', and no rule's code begins so",
        ),
        (
            "[tool.twolane.check]\nper-file-ignores = {'a.py' = ['E501']}\n",
            "per-file-ignores.a.py has 'E501'",
        ),
        ("[tool.\n", "cannot be read"),
        ("[tool]\ntwolane = 3\n", "tool.twolane of .* is a table, not 3"),
        ("[tool.twolane]\ncheck = 'all'\n", "tool.twolane.check of .* is a table, not 'all'"),
    ],
)
def test_settings_that_cannot_hold(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(SettingsError, match=sentence.replace("(", r"\(")):
        find_config(tmp_path)


def test_a_baseline_knows_what_is_old_wherever_it_moves(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(baseline.write(checked(tmp_path, app=BREAKS)))
    moved = checked(tmp_path, app="# one more line\n" + BREAKS)
    baseline.apply(moved, baseline.read(file))
    assert moved.clean
    more = checked(tmp_path, app=BREAKS + "    b.add_task(save, 2)\n")
    baseline.apply(more, baseline.read(file))
    assert len(more.breaking) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[]", "it is JSON of another form"),
        ('{"version": 1, "findings": [3]}', "it is JSON of another form"),
        ('{"version": 1}', "it is JSON of another form"),
        ('{"version": 2, "findings": []}', "is of version 2"),
    ],
)
def test_a_file_that_is_no_baseline(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "old.json").write_text(text)
    with pytest.raises(SettingsError, match=rf"old\.json.*{why}"):
        baseline.read(tmp_path / "old.json")
    with pytest.raises(SettingsError, match="--write-baseline"):
        baseline.read(tmp_path / "none.json")
    with pytest.raises(SettingsError, match=r"cannot be read: Is a directory$"):
        baseline.read(tmp_path)
