"""`twolane doctor` on AWS: each of the three places is looked at, and what is wrong with it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.aws.places import Place, bucket
from tests.aws.servers import Server
from twolane.cli.commands import app as cli

APP = """
from twolane import Tasks

tasks = Tasks()

@tasks.task(if_lost="alert", queue="never_made")
def mail() -> None: ...
"""


def doctor(
    monkeypatch: pytest.MonkeyPatch, aws: Server, *words: str, **settings: str
) -> tuple[int, str, Any]:
    """Its exit code, what it prints, and its JSON."""
    for name, value in {**aws.environment, **settings}.items():
        monkeypatch.setenv(name, value)
    plain, form = (CliRunner().invoke(cli, ["doctor", *words, *more]) for more in ([], ["--json"]))
    return plain.exit_code, plain.output, json.loads(form.output)


def test_what_is_there_and_what_is_not(aws: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = Place(aws, max_receives=3)
    settings = {
        "TWOLANE_QUEUE": str(place.address),
        "TWOLANE_STATE": f"dynamodb://{place.name}",
        "TWOLANE_BLOBS": str(bucket(aws).bucket),
        "TWOLANE_ALERTS": "log",
    }

    code, said, form = doctor(monkeypatch, aws, **settings)
    assert (code, form["queue"]["problem"], form["bucket"]["problem"]) == (0, None, None)
    assert "bucket      can be listed" in said
    assert "which is TOO FEW" in form["kinds"]["default"]
    assert "uploads     TWOLANE_SECRET is not set" in said
    assert {"botocore", "obstore"} <= set(form["versions"])

    code, said, form = doctor(monkeypatch, aws, **settings | {"TWOLANE_SECRET": "s" * 32})
    assert (code, form["uploads"]["problem"], list(form["kinds"])) == (0, None, ["default"])
    assert "TWOLANE_SECRET" not in said
    assert "s" * 32 not in said

    code, said, form = doctor(monkeypatch, aws, **settings | {"TWOLANE_BLOBS": "s3://not-there-at-all/x"})
    assert (code, form["queue"]["problem"]) == (3, None)
    assert "there is no such bucket: check its name" in form["bucket"]["problem"]
    assert "there is no such bucket" in said

    code, _, form = doctor(monkeypatch, aws, **settings | {"TWOLANE_STATE": "dynamodb://not-there"})
    assert code == 3
    assert "there is no such table" in form["queue"]["problem"]

    (tmp_path / "shop_on_aws.py").write_text(APP)
    monkeypatch.syspath_prepend(tmp_path)
    _, said, form = doctor(monkeypatch, aws, "--app", "shop_on_aws:tasks", **settings)
    assert "there is no such queue: check its name" in form["kinds"]["never_made"]
    assert "there is no such queue" in said
    place.close()
