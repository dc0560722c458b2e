"""Where things live: the environment wins, then the code, then the folder of the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from twolane.engine.task import Registry
from twolane.values.errors import SettingsError
from twolane.values.thresholds import Thresholds
from twolane.wiring.opening import make_runtime
from twolane.wiring.settings import default_file, read_settings


def test_the_environment_wins_over_the_code() -> None:
    settings = read_settings(
        queue="sqlite:////code.db",
        worker="in_app",
        environment={"TWOLANE_QUEUE": "sqlite:////env/q.db", "TWOLANE_WORKER": "off"},
    )

    assert (settings.queue, settings.worker) == (Path("/env/q.db"), "off")
    assert settings.sources["queue"] == "TWOLANE_QUEUE"
    assert settings.sources["worker"] == "TWOLANE_WORKER"


def test_the_code_wins_over_the_default() -> None:
    settings = read_settings(queue="sqlite:////code.db", worker="off", environment={})

    assert (settings.queue, settings.worker) == (Path("/code.db"), "off")
    assert settings.sources["queue"] == "Tasks(queue=...)"


def test_the_default_lies_beside_the_project_of_the_code(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    code = tmp_path / "src" / "app" / "tasks.py"
    code.parent.mkdir(parents=True)

    settings = read_settings(made_in=str(code), environment={})

    assert settings.queue == tmp_path / "twolane.db"
    assert settings.blobs == tmp_path / "twolane.db-blobs"
    assert settings.worker == "in_app"


def test_without_a_project_it_lies_beside_the_file(tmp_path: Path) -> None:
    assert default_file(str(tmp_path / "main.py")) == tmp_path / "twolane.db"


def test_the_working_directory_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pyproject.toml").touch()
    monkeypatch.chdir(elsewhere)

    assert default_file(str(tmp_path / "code" / "main.py")) == tmp_path / "code" / "twolane.db"


@pytest.mark.parametrize("made_in", [None, "<stdin>", "<string>"])
def test_a_shell_has_no_default(made_in: str | None) -> None:
    with pytest.raises(SettingsError, match=r"set TWOLANE_QUEUE=sqlite:////absolute/path\.db"):
        read_settings(made_in=made_in, environment={})


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///relative.db",
        "sqlite://host/path.db",
        "sqlite:relative.db",
        "/plain/path.db",
        "sqlite:////a.db?mode=ro",
    ],
)
def test_an_address_that_is_none_is_refused_with_the_right_form(address: str) -> None:
    with pytest.raises(SettingsError, match="TWOLANE_QUEUE takes sqlite:////absolute/path"):
        read_settings(environment={"TWOLANE_QUEUE": address})


def test_an_escaped_path_is_read() -> None:
    settings = read_settings(environment={"TWOLANE_QUEUE": "sqlite:////with%20space/q.db"})

    assert settings.queue == Path("/with space/q.db")


def test_blobs_have_a_place_of_their_own() -> None:
    environment = {"TWOLANE_QUEUE": "sqlite:////q.db", "TWOLANE_BLOBS": "file:////mnt/blobs"}

    assert read_settings(environment=environment).blobs == Path("/mnt/blobs")


def test_a_worker_mode_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="TWOLANE_WORKER is in_app or off"):
        read_settings(environment={"TWOLANE_QUEUE": "sqlite:////q.db", "TWOLANE_WORKER": "maybe"})


@pytest.mark.parametrize(
    ("said", "given", "watches"),
    [
        (None, None, True),
        (None, Thresholds(dead_s=7), True),
        (None, "off", False),
        ("off", Thresholds(dead_s=7), False),
        ("on", "off", True),
    ],
)
def test_whether_a_process_watches(said: str | None, given: Any, *, watches: bool) -> None:
    environment = {} if said is None else {"TWOLANE_WATCH": said}
    settings = read_settings(queue="sqlite:////q.db", watch=given, environment=environment)
    assert settings.watches is watches
    assert settings.thresholds == (given if isinstance(given, Thresholds) else Thresholds())
    runtime = make_runtime(Registry(), settings)
    assert (runtime.informing._thresholds is not None) is watches


@pytest.mark.parametrize(("said", "given"), [("often", None), (None, "on"), (None, 5)])
def test_a_watch_that_is_none_is_refused(said: str | None, given: Any) -> None:
    with pytest.raises(SettingsError, match=r"TWOLANE_WATCH is on or off|takes Thresholds"):
        read_settings(
            queue="sqlite:////q.db", watch=given, environment={"TWOLANE_WATCH": said} if said else {}
        )
