"""A worker that cannot start says why in one place and ends at once, with an exit code of its own."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.worker_process.conftest import Place
from twolane.values.record import State


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("jobs", "an app is named module:app, such as app.main:app, not 'jobs'"),
        ("nope:app", "there is no module 'nope' below"),
        ("jobs.nope:app", "there is no module 'jobs.nope' below"),
        ("jobs:nope", "module jobs has no 'nope'"),
        ("jobs:note", "jobs:note has no tasks"),
        ("jobs:pool", "jobs:pool has no tasks"),
        ("others:no_queue", 'others:no_queue has no task with if_lost="alert"'),
    ],
)
def test_a_wrong_target(place: Place, start: Any, target: str, sentence: str) -> None:
    worker = start(target)
    assert worker.exit_code() == 2
    assert worker.log.startswith("twolane worker: ")
    assert sentence in worker.log
    assert worker.log.count("\n") == 1


def test_with_json_each_line_of_the_log_is_an_object(place: Place, jobs: Any, start: Any) -> None:
    worker = start("jobs:app", "--json").until_ready()
    ticket = jobs.tasks.send_blocking(jobs.note, "1")
    place.until_state(ticket.id, State.DONE)
    assert worker.stop() == 0
    lines = [json.loads(line) for line in worker.log.splitlines()]
    assert {line["logger"] for line in lines} >= {"twolane.parent", "twolane.worker"}
    assert [line["became"] for line in lines if line.get("id") == ticket.id] == ["ack"]

    worker = start("jobs:nope", "--json")
    assert worker.exit_code() == 2
    (line,) = worker.log.splitlines()
    assert "module jobs has no 'nope'" in json.loads(line)["message"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--queue", "imprts"], "no task of jobs:app goes to queue imprts; they go to default, gated"),
        (["--slots", "0"], "--slots"),
        (["--grace", "-1"], "--grace"),
        (["--what"], "--what"),
    ],
)
def test_wrong_options(place: Place, start: Any, options: list[str], sentence: str) -> None:
    worker = start("jobs:app", *options)
    assert worker.exit_code() == 2
    assert sentence in worker.log
    assert "Traceback" not in worker.log


def test_no_target_at_all(place: Place, start: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    worker = start("")
    assert worker.exit_code() == 2
    assert "which app? Say `twolane worker module:app`" in worker.log


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_like_this", "ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit('enough')", "SystemExit: enough"),
        ("def broken(:", "SyntaxError"),
        ("@tasks.task()\ndef f() -> None: ...", "DefinitionError: a task answers the question"),
        ("@tasks.task(if_lost='alert')\ndef f(x: type(tasks)) -> None: ...", "cannot be stored in a message"),
    ],
)
def test_an_app_that_cannot_be_imported(
    place: Place, start: Any, tmp_path: Path, code: str, said: str
) -> None:
    (tmp_path / "mine.py").write_text(f"from twolane import Tasks\ntasks = Tasks()\n{code}\n")
    worker = start("mine:tasks", app_dir=tmp_path)
    assert worker.exit_code() == 4
    assert said in worker.log
    assert "worker_child" not in worker.log
    assert "importlib" not in worker.log


def test_a_lifespan_that_raises(place: Place, start: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from contextlib import asynccontextmanager\nfrom fastapi import FastAPI\nfrom twolane import Tasks\n"
        "@asynccontextmanager\nasync def lifespan(app):\n    raise ValueError('no database')\n    yield\n"
        "tasks = Tasks()\napp = FastAPI(lifespan=lifespan)\ntasks.install(app)\n"
        "@tasks.task(if_lost='alert')\ndef f() -> None: ...\n"
    )
    worker = start("mine:app", app_dir=tmp_path)
    assert worker.exit_code() == 4
    assert "ValueError: no database" in worker.log
    assert "worker_child" not in worker.log


def test_a_process_that_dies_before_it_is_ready(place: Place, start: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import os\nos.kill(os.getpid(), 11)\n")
    worker = start("mine:app", app_dir=tmp_path)
    assert worker.exit_code() == 4
    assert "was killed by SIGSEGV before it was ready: not started again" in worker.log


def test_a_damaged_queue(place: Place, start: Any, tmp_path: Path) -> None:
    (tmp_path / "queue.db").write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    worker = start("jobs:app")
    assert worker.exit_code() == 3
    assert "is damaged or no SQLite database" in worker.log
    assert "Traceback" not in worker.log


def test_a_queue_of_a_newer_version(place: Place, jobs: Any, start: Any, tmp_path: Path) -> None:
    jobs.tasks.send_blocking(jobs.note, "hello")
    jobs.tasks.close()
    with sqlite3.connect(tmp_path / "queue.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    worker = start()
    assert worker.exit_code() == 3
    assert "schema version 99" in worker.log


def test_a_queue_in_a_folder_that_is_not_there(
    place: Place, start: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TWOLANE_QUEUE", f"sqlite:///{tmp_path}/none/queue.db")
    worker = start()
    assert worker.exit_code() == 3
    assert "must be a file in a folder that exists" in worker.log


def test_a_setting_that_cannot_hold(place: Place, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOLANE_QUEUE", "redis://localhost")
    worker = start()
    assert worker.exit_code() == 2
    assert "redis:// is not served by this version" in worker.log
