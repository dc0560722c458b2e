"""The demo on AWS, played to its end: `make demo AWS=1` with a small file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.aws.servers import program
from tests.forks import run


@pytest.mark.long
def test_a_small_import_survives_three_kills_of_its_function(tmp_path: Path, small_file: Path) -> None:
    program("ministack")  # skipped, and failed in CI, without the servers' environment
    arguments = ("--json", "--seed", "1", "--csv", str(small_file))

    played = run("tests.aws.demo", *arguments, environment=os.environ | {"TMPDIR": str(tmp_path)})

    assert played.returncode == 0, played.stdout + played.stderr
    assert not list(tmp_path.glob("twolane-*"))
    told = json.loads(played.stdout.splitlines()[-1])
    assert told["rows_in_file"] == told["rows_imported"] + told["rows_rejected"] > 20_000
    assert (told["rows_rejected"], told["kills"], told["alerts"], told["lost"]) == (20, 3, 3, 0)
    assert {(each["task"], each["reason"]) for each in told["dead_letters"]} == {
        ("", "unreadable"),
        ("always_raises", "attempts_exhausted"),
        ("kills_its_process", "used_up"),
    }
    assert told["problems"] == []
