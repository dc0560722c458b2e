"""The flights app, imported anew for each test with a database, a mail folder and a queue of its own."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

PROJECT = Path(__file__).parents[2] / "examples" / "flights"
DEADLINE_S = 20.0


def forget() -> None:
    for name in [name for name in sys.modules if name == "app" or name.startswith("app.")]:
        del sys.modules[name]


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("TWOLANE_QUEUE", f"sqlite:///{tmp_path}/twolane.db")
    monkeypatch.setenv("FLIGHTS_DB", str(tmp_path / "flights.db"))
    monkeypatch.setenv("FLIGHTS_MAIL", str(tmp_path / "mail"))
    for name in ("TWOLANE_BLOBS", "TWOLANE_WORKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(PROJECT)
    forget()
    yield importlib.import_module("app.main")
    forget()


@pytest.fixture
def store(main: ModuleType) -> ModuleType:
    return sys.modules["app.store"]


@pytest.fixture
def client(main: ModuleType) -> Iterator[TestClient]:
    with TestClient(main.app) as client:
        yield client


@pytest.fixture
def imported(client: TestClient) -> Callable[[bytes], dict[str, Any]]:
    """Upload a file, wait for its end, and answer the last status."""

    def upload(data: bytes) -> dict[str, Any]:
        answer = client.post("/imports", files={"file": ("flights.csv", data)})
        assert answer.status_code == 202, answer.text
        deadline = time.monotonic() + DEADLINE_S
        while True:
            status = client.get(answer.json()["status_url"]).json()
            if status["state"] not in ("waiting", "running"):
                return dict(status)
            assert time.monotonic() < deadline, status

    return upload
