"""A queue file in a fresh folder, the apps that send to it, and the worker processes of a test."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.forks import ROOT
from tests.gates import Gate
from tests.waiting import until
from tests.worker_process.processes import HERE, Worker
from twolane.backends.sqlite import SqliteRecords
from twolane.values.record import Record, State
from twolane.wiring.clock import SystemClock


class Place:
    """One test's folder: the queue in it, the journal, the gates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = SqliteRecords(folder / "queue.db", SystemClock())
        self._opened: list[Gate] = []

    def journal(self, word: str) -> list[tuple[int, list[str]]]:
        """Who wrote lines that begin with a word, and what else they say."""
        file = self.folder / "journal"
        lines = file.read_text().split("\n")[:-1] if file.exists() else []
        found = [line.split() for line in lines]
        return [(int(pid), rest) for pid, first, *rest in found if first == word]

    def until_written(self, word: str, times: int = 1) -> None:
        until(lambda: len(self.journal(word)) >= times, f"{times} x {word} in the journal")

    def open_gate(self, gate: str) -> None:
        opened = Gate(self.folder / gate)
        opened.open()
        self._opened.append(opened)

    def close(self) -> None:
        self.records.close()
        for gate in self._opened:
            gate.close()

    def record(self, message_id: str) -> Record:
        found = self.records.get(message_id)
        assert found is not None
        return found

    def until_state(self, message_id: str, state: State) -> Record:
        until(lambda: self.record(message_id).state is state, f"{message_id} is {state}")
        return self.record(message_id)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("TWOLANE_TEST_FOLDER", str(tmp_path))
    monkeypatch.setenv("TWOLANE_QUEUE", f"sqlite:///{tmp_path / 'queue.db'}")
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("TWOLANE_APP", "TWOLANE_WORKER", "TWOLANE_BLOBS"):
        monkeypatch.delenv(name, raising=False)
    made = Place(tmp_path)
    yield made
    made.close()


def _sender(name: str) -> Any:
    """A fresh copy of an app, to send from this process."""
    spec = importlib.util.spec_from_file_location(f"sender_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # pydantic looks annotations up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def jobs(place: Place) -> Iterator[Any]:
    module = _sender("jobs")
    yield module
    module.tasks.close()


@pytest.fixture
def others(place: Place) -> Iterator[Any]:
    module = _sender("others")
    yield module
    module.tasks.close()


@pytest.fixture
def start(place: Place) -> Iterator[Callable[..., Worker]]:
    """Starts workers; what is left of them is cleared away."""
    started: list[Worker] = []

    def start(target: str = "jobs:tasks", *options: str, **more: Any) -> Worker:
        started.append(Worker(place.folder, target, *options, **more))
        return started[-1]

    yield start
    for worker in started:
        worker.clear_away()
