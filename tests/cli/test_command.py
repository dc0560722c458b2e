"""The command itself: help, where it finds the app, what it loads, the pauses of a parent."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forks
from tests.cli.conftest import Shop
from twolane.cli.orders import Orders
from twolane.cli.parent import ended, next_pause_s

COMMANDS = [
    ["worker"], ["status"], ["stats"], ["cancel"], ["demo"], ["doctor"], ["check"], ["price"], ["watch"], ["alert"],
    ["dead", "list"], ["dead", "show"], ["dead", "redrive"], ["dead", "discard"], ["dead", "log"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example_and_the_exit_codes(shop: Shop, command: list[str]) -> None:
    told = shop.run(*command, "--help")
    assert told.code == 0
    assert f"$ twolane {' '.join(command)}" in told.out
    assert "Examples:" in told.out
    assert "Exit codes: 0" in told.out


def test_help_names_every_command(shop: Shop) -> None:
    told = shop.run("--help")
    assert told.code == 0
    assert {command[0] for command in COMMANDS} <= set(told.out.split())
    assert {command[1] for command in COMMANDS if len(command) > 1} <= set(shop.run("dead", "-h").out.split())


def test_the_queue_of_the_app_where_nothing_else_says(shop: Shop) -> None:
    (shop.folder / "pyproject.toml").write_text("")
    shop.queue.rename(shop.folder / "twolane.db")
    told = shop.run("stats", "--json", "--app", "shop:tasks", TWOLANE_QUEUE="")
    assert told.json["accepted"] == 8
    assert shop.was_imported


@pytest.mark.parametrize("where", ["TWOLANE_APP", "pyproject.toml"])
def test_the_app_is_found(shop: Shop, where: str) -> None:
    (shop.folder / "pyproject.toml").write_text(
        '[tool.twolane]\napp = "shop:tasks"\n' if where == "pyproject.toml" else ""
    )
    shop.queue.rename(shop.folder / "twolane.db")
    told = shop.run("stats", "--json", TWOLANE_QUEUE="", **({where: "shop:tasks"} if "_" in where else {}))
    assert told.json["accepted"] == 8


def test_the_folder_of_a_pyproject_is_where_its_app_is_imported_from(shop: Shop) -> None:
    below = shop.folder / "below"
    below.mkdir()
    (shop.folder / "pyproject.toml").write_text('[tool.twolane]\napp = "shop:tasks"\n')
    args = ["dead", "redrive", shop.ids["gave_up"], "--args", '{"order": 9}', "--json"]
    environment = {
        **os.environ,
        "TWOLANE_QUEUE": f"sqlite:///{shop.queue}",
        "TWOLANE_TEST_FOLDER": str(shop.folder),
    }
    done = forks.run("twolane", *args, environment=environment, folder=below)
    assert done.returncode == 0, done.stderr


def test_no_queue_at_all(shop: Shop) -> None:
    told = shop.run("stats", TWOLANE_QUEUE="")
    assert told.code == 2
    assert "which queue? Set TWOLANE_QUEUE" in told.err


def test_an_app_that_cannot_be_imported(shop: Shop) -> None:
    (shop.folder / "broken.py").write_text("1 / 0\n")
    told = shop.run("stats", "--app", "broken:app", TWOLANE_QUEUE="")
    assert told.code == 4
    assert "ZeroDivisionError" in told.err
    assert "broken:app (from the command line) cannot be imported" in told.err
    assert "importlib" not in told.err


def test_a_queue_needs_no_code_of_the_app(shop: Shop) -> None:
    (shop.folder / "broken.py").write_text("1 / 0\n")
    assert shop.run("stats", TWOLANE_APP="broken:app").code == 0


def test_a_wrong_app_does_not_pass_because_the_queue_is_known(shop: Shop) -> None:
    told = shop.run("stats", "--app", "shop:nothing")
    assert told.code == 2
    assert "nothing" in told.err
    (shop.folder / "broken.py").write_text("1 / 0\n")
    told = shop.run("stats", "--app", "broken:app")
    assert told.code == 4
    assert "leave out --app" in told.err


def test_a_worker_is_not_what_reading_loads(shop: Shop) -> None:
    code = (
        "import sys; sys.argv = ['twolane', 'stats', '--json']\n"
        "from twolane.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'fastapi', 'starlette', 'uvicorn', 'asyncio.base_events'} & set(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "TWOLANE_QUEUE": f"sqlite:///{shop.queue}"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    assert "fastapi" not in done.stderr


def test_the_pauses_grow_to_a_bound_and_begin_anew() -> None:
    pauses = list(
        itertools.islice(itertools.accumulate(itertools.repeat(1.0), next_pause_s, initial=0.0), 12)
    )
    assert pauses == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]
    assert next_pause_s(30.0, 60.0) == 0.1


def test_how_a_process_ended_is_said_in_words() -> None:
    assert (
        ended(-signal.SIGKILL) == "was killed by SIGKILL (by a person, or by the system for want of memory)"
    )
    assert ended(-signal.SIGSEGV) == "was killed by SIGSEGV"
    assert ended(1) == "ended with exit code 1 although nobody had asked it to"


def test_orders_are_read_as_they_were_written() -> None:
    orders = Orders("app:app", str(Path("/srv")), ("a", "b"), 3, 1.5)
    assert Orders.read(orders.written()) == orders
