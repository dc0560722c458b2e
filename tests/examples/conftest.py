"""The flights app, imported anew for each test with a database, a mail folder and a queue of its own."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from twolane.values.record import State

PROJECT = Path(__file__).parents[2] / "examples" / "flights"
DEADLINE_S = 100.0
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-site": "same-origin"}


def forget() -> None:
    for name in [name for name in sys.modules if name == "app" or name.startswith("app.")]:
        del sys.modules[name]


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("TWOLANE_QUEUE", f"sqlite:///{tmp_path}/twolane.db")
    monkeypatch.setenv("FLIGHTS_DB", str(tmp_path / "flights.db"))
    monkeypatch.setenv("FLIGHTS_MAIL", str(tmp_path / "mail"))
    for name in ("TWOLANE_BLOBS", "TWOLANE_WORKER", "FLIGHTS_MAX_UPLOAD_BYTES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(PROJECT)
    forget()
    yield importlib.import_module("app.main")
    forget()


@pytest.fixture
def store(main: ModuleType) -> ModuleType:
    return sys.modules["app.store"]


@pytest.fixture
def settled(main: ModuleType) -> threading.Event:
    """Set when the worker has settled a delivery."""
    event = threading.Event()

    def observe(at: str, _: object) -> None:
        if at == "settled":
            event.set()

    main.tasks.runtime.observer = observe
    return event


@pytest.fixture
def client(main: ModuleType, settled: threading.Event) -> Iterator[TestClient]:
    """A program that keeps its customer's cookie; a worker runs beside it."""
    with TestClient(main.app) as client:
        client.get("/")
        yield client


@pytest.fixture
def idle(main: ModuleType) -> Iterator[TestClient]:
    """The same without the app's lifespan: no worker runs, so what is sent waits."""
    client = TestClient(main.app)
    client.get("/")
    yield client
    main.tasks.close()


@pytest.fixture
def browser(client: TestClient) -> TestClient:
    """The same customer's browser: it asks for pages and follows redirects."""
    return as_browser(client)


def as_browser(client: TestClient) -> TestClient:
    return TestClient(client.app, headers=BROWSER, cookies=client.cookies)


def upload(client: TestClient, data: bytes, name: str = "flights.csv") -> Any:
    return client.post("/imports", files={"file": (name, data)})


@pytest.fixture
def finished(
    main: ModuleType, client: TestClient, settled: threading.Event
) -> Callable[[str], dict[str, Any]]:
    """Wait until the queue knows the end of an import, which is after the app's own word, and answer its last progress."""

    def wait(import_id: str) -> dict[str, Any]:
        while main.tasks.runtime.read(import_id).state in (State.WAITING, State.RUNNING):
            assert settled.wait(DEADLINE_S), import_id
            settled.clear()
        return dict(client.get(f"/imports/{import_id}").json())

    return wait


@pytest.fixture
def imported(
    client: TestClient, finished: Callable[[str], dict[str, Any]]
) -> Callable[[bytes], dict[str, Any]]:
    """Upload a file, wait for its end, and answer its last progress."""

    def send(data: bytes) -> dict[str, Any]:
        answer = upload(client, data)
        assert answer.status_code == 202, answer.text
        return finished(answer.json()["id"])

    return send
