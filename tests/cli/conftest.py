"""A queue with a message of each kind, made by the real engine once and copied for each test."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import forks
from tests.engine.working import Steps
from twolane.backends.sqlite import SqliteRecords
from twolane.contracts.queue import CancelMessage, Outgoing, Send
from twolane.values.record import Record, State
from twolane.wiring.clock import SystemClock

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shop:
    """A folder with a queue, and the ids of what is in it."""

    folder: Path
    ids: dict[str, str]

    @property
    def queue(self) -> Path:
        return self.folder / "queue.db"

    def run(self, *arguments: str, typed: str = "", **env: str) -> Done:
        """Run `twolane` with this queue, in a process of its own."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TWOLANE_")},
            "TWOLANE_TEST_FOLDER": str(self.folder),
            "TWOLANE_QUEUE": f"sqlite:///{self.queue}",
            "COLUMNS": "100",
            **env,
        }
        done = forks.run("twolane", *arguments, environment=environment, folder=self.folder, typed=typed)
        return Done(done.returncode, done.stdout, done.stderr)

    @property
    def was_imported(self) -> bool:
        return (self.folder / "imported").exists()

    def record(self, name: str) -> Record:
        records = SqliteRecords(self.queue, SystemClock())
        try:
            found = records.get(self.ids[name])
        finally:
            records.close()
        assert found is not None
        return found


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The queue that is copied."""
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TWOLANE_TEST_FOLDER", str(folder))
        environment.setenv("TWOLANE_QUEUE", f"sqlite:///{folder / 'queue.db'}")
        spec = importlib.util.spec_from_file_location("shop_of_the_cli_tests", HERE / "shop.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        ids = asyncio.run(_filled(module))
    return Shop(folder, ids)


@pytest.fixture
def shop(made: Shop, tmp_path: Path) -> Shop:
    shutil.copytree(made.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "imported").unlink()
    shutil.copy(HERE / "shop.py", tmp_path)
    return Shop(tmp_path, made.ids)


async def _filled(shop: Any) -> dict[str, str]:
    """Send one message of each kind, and run what can be run."""
    tasks, runtime = shop.tasks, shop.tasks.runtime
    unreadable = Outgoing(runtime.new_id(), "default", "", "no\tenvelope", "", runtime.clock.now())
    await runtime.batcher.ask(Send((unreadable,)))
    sends = {
        "done": tasks.send(shop.greet, "Ada", times=2),
        "waiting": tasks.send(shop.greet.options(delay_s=3600, unique_key="w"), "Bob"),
        "cancelled": tasks.send(shop.greet.options(delay_s=3600, unique_key="c"), "Cy"),
        "dead": tasks.send(shop.fails, 7, "a secret"),
        "gave_up": tasks.send(shop.gives_up, 8),
        "expired": tasks.send(shop.greet.options(delay_s=0.05, expires_after_s=0.001, unique_key="e"), "Di"),
        "reads": tasks.send(shop.reads, runtime.upload(b"bytes")),
    }
    ids = {name: (await send).id for name, send in sends.items()} | {"unreadable": unreadable.id}
    await runtime.batcher.ask(CancelMessage(ids["cancelled"]))
    steps = runtime.observer = Steps()
    runtime.work_as("process")
    await runtime.start()
    ends = {
        "done": State.DONE, "dead": State.DEAD, "gave_up": State.DEAD, "expired": State.DEAD,
        "reads": State.DEAD, "unreadable": State.DEAD,
    }  # fmt: skip
    await steps.until("settled", len(ends) + 1)  # `fails` has a second attempt
    assert {name: runtime.stores.records.get(ids[name]).state for name in ends} == ends
    await runtime.stop()
    return ids


@pytest.fixture
def run(shop: Shop) -> Callable[..., Done]:
    return shop.run
