"""What loads when: `import twolane` takes the standard library only, and little of it (DESIGN.md section 8).

Each question is asked in a fresh interpreter: here everything is loaded already.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

FLOOR = "import asyncio, dataclasses, inspect, json, sqlite3"
"""What any queue on asyncio and SQLite needs of the standard library."""

DEFINE = """
import twolane
tasks = twolane.Tasks()

@tasks.task(if_lost="ignore")
async def send_welcome_email(email: str) -> None: ...

@tasks.task(if_lost="alert", max_attempts=5)
def import_flights(ctx: twolane.TaskContext, upload: twolane.Blob, customer_id: int) -> None: ...
"""


def loaded_by(script: str) -> set[str]:
    """The modules that a script loads in a fresh interpreter, beyond those of its start."""
    settings = tuple((name, value) for name, value in os.environ.items() if name.startswith("TWOLANE_"))
    return set(_loaded_by(script, settings))


@cache
def _loaded_by(script: str, settings: tuple[tuple[str, str], ...]) -> list[str]:
    """One interpreter for all who ask the same."""
    probe = (
        "import sys\nbefore = set(sys.modules)\n"
        f"{script}\n"
        "print(*sorted(set(sys.modules) - before), sep='\\n')"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", probe],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "twolane"}


def third_party(modules: set[str]) -> set[str]:
    return {name for name in modules - own(modules) if name.partition(".")[0] not in sys.stdlib_module_names}


@pytest.mark.parametrize("script", ["import twolane", DEFINE], ids=["import", "define"])
def test_nothing_but_the_standard_library_is_loaded(script: str) -> None:
    assert third_party(loaded_by(script)) == set()


def test_importing_loads_no_more_than_typing_does() -> None:
    loaded = loaded_by("import twolane")

    assert len(own(loaded)) <= 2
    assert len(loaded) <= 1.2 * len(loaded_by("import contextlib, typing"))


def test_defining_tasks_loads_little_more_than_any_queue_needs() -> None:
    loaded = loaded_by(DEFINE)
    stdlib = loaded - own(loaded)

    assert len(stdlib) <= 1.2 * len(loaded_by(FLOOR))
    assert len(own(loaded)) <= 0.25 * len(stdlib)


def test_the_other_commands_do_not_load_what_price_needs() -> None:
    assert not {"twolane.price", "matplotlib"} & loaded_by("import twolane.cli.commands")


def test_fastapi_is_loaded_at_its_door() -> None:
    assert "fastapi" in loaded_by("from twolane import Lanes, Tasks")
    assert "fastapi" not in loaded_by("from twolane import Tasks")


def test_the_door_of_fastapi_loads_nothing_of_the_others() -> None:
    loaded = loaded_by("from twolane import Lanes, Tasks")
    assert not {"rich", "typer", "sqlite3", "uvicorn", "hypothesis", "pytest"} & loaded


@pytest.mark.parametrize("name", ["values", "contracts", "engine", "backends", "wiring", "price"])
def test_the_floors_below_the_doors_load_the_standard_library_only(name: str) -> None:
    """But for pydantic, which the engine loads when arguments are first bound."""
    script = f"""
import importlib, pkgutil, twolane.{name} as floor
for module in pkgutil.walk_packages(floor.__path__, floor.__name__ + "."):
    importlib.import_module(module.name)
"""
    assert third_party(loaded_by(script)) == set()


FUNCTIONS = str(Path(__file__).parent.parent / "aws_lambda" / "functions")
APP = """
import sys
sys.path.insert(0, {folder!r})
import asyncio, contextlib, json, logging, signal, threading
import shop
_ = shop.tasks.settings, shop.tasks.runtime
"""
HANDLER = "import twolane.aws_lambda\nhandler = twolane.aws_lambda.handler('shop:app')"


def test_an_app_with_a_queue_in_a_file_loads_nothing_of_sqs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TWOLANE_QUEUE", f"sqlite:///{tmp_path}/queue.db")
    loaded = own(loaded_by(APP.format(folder=FUNCTIONS)))
    assert "twolane.wiring.opening" in loaded
    assert {name for name in loaded if name.startswith("twolane.backends.sqs")} == {
        "twolane.backends.sqs",
        "twolane.backends.sqs.addresses",
    }


def test_a_function_loads_its_app_and_little_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is imported at a cold start is paid by each: no client of AWS, no command line, no telling."""
    for name, value in {
        "QUEUE": "sqs://shop",
        "STATE": "dynamodb://shop",
        "BLOBS": "s3://shop",
        "ALERTS": "log",
    }.items():
        monkeypatch.setenv(f"TWOLANE_{name}", value)
    app = APP.format(folder=FUNCTIONS)

    assert third_party(loaded_by("import twolane.aws_lambda")) == set()
    assert len(own(loaded_by("import twolane.aws_lambda"))) <= 3
    of_app, of_function = loaded_by(app), loaded_by(app + HANDLER)
    assert third_party(of_function) == third_party(of_app)
    assert not {"botocore", "obstore", "typer"} & of_function
    assert len(of_function) <= 1.05 * len(of_app)
