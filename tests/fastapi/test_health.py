"""/health, /health/ready, /health/live: what a probe is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.fastapi.house import House, ask
from twolane import Tasks
from twolane.contracts.queue import Entry
from twolane.contracts.watch import LeadWatch, ObserveConditions, Probe
from twolane.engine import health
from twolane.engine.runtime import Stores
from twolane.values.condition import Kind, Phase, Standing
from twolane.values.errors import QueueError
from twolane.values.snapshot import Disk, Premises

FINE = {"queue": "ok", "worker": "off", "disk": "ok"}
GIB = 1 << 30


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    house.app.include_router(house.tasks.health_router())
    with house.client() as client:
        yield client


@pytest.fixture(autouse=True)
def _always_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_S", 0.0)


def stand(house: House, *standings: Standing) -> None:
    """The watch has seen this."""
    house.queue.flush([LeadWatch("x", 20.0), ObserveConditions("x", 20.0, 1.0, changed=standings)])


def test_all_is_well(client: TestClient) -> None:
    live, ready, whole = (client.get(path) for path in ("/health/live", "/health/ready", "/health"))
    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "checks": FINE})
    assert (whole.status_code, whole.json()) == (
        200,
        {"status": "ok", "checks": FINE, "watched": False, "conditions": []},
    )
    assert whole.headers["cache-control"] == "no-store"


def test_a_head_request_is_a_probe_too(client: TestClient) -> None:
    assert client.head("/health/ready").status_code == 200


def test_conditions_are_named_and_are_no_reason_to_send_no_requests(house: House, client: TestClient) -> None:
    stand(
        house,
        Standing(Kind.TOO_OLD, "imports", Phase.HOLDING, 1_800_000_000.0, "secret words", told_at=1.0),
        Standing(Kind.PLACE, "", Phase.HOLDING, 1_800_000_000.0, "a path", told_at=1.0),
        Standing(Kind.ALERTS, "json://hooks.internal:80 (ab12)", Phase.HOLDING, 1_800_000_000.0, told_at=1.0),
        Standing(Kind.NO_WORKER, "imports", Phase.PENDING, 1_800_000_000.0),
        Standing(Kind.DISK, "queue", Phase.ENDED, 1_800_000_000.0, told_at=1.0),
    )
    told = client.get("/health")
    assert told.status_code == 200
    assert told.json() == {
        "status": "warning",
        "checks": FINE,
        "watched": True,
        "conditions": [
            {"name": "alerts", "subject": "json (ab12)", "since": "2027-01-15T08:00:00Z"},
            {"name": "place", "subject": "", "since": "2027-01-15T08:00:00Z"},
            {"name": "too_old", "subject": "imports", "since": "2027-01-15T08:00:00Z"},
        ],
    }
    assert client.get("/health/ready").json() == {"status": "warning", "checks": FINE}


def test_a_queue_that_refuses_writes(
    house: House, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = house.queue.flush

    def refusing(entries: Sequence[Entry[Any]]) -> list[Any]:
        if any(isinstance(each, Probe) for each in entries):
            raise QueueError("disk I/O error at /srv/secret")
        return flush(entries)

    monkeypatch.setattr(house.queue, "flush", refusing)
    told = client.get("/health")
    assert told.status_code == 503
    assert told.json()["checks"] == {**FINE, "queue": "cannot be written"}
    assert told.json()["status"] == "failing"
    assert "secret" not in told.text
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_a_queue_that_cannot_be_read(
    house: House, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable() -> None:
        raise QueueError("/srv/secret is damaged")

    monkeypatch.setattr(house.queue, "watch_state", unreadable)
    told = client.get("/health")
    assert (told.status_code, told.json()["checks"]["queue"]) == (503, "cannot be read")
    assert "secret" not in told.text


def test_a_full_disk(house: House, client: TestClient) -> None:
    stores = house.runtime.stores
    disks = [Disk("queue", "/srv/secret", 33 << 20, 100 * GIB)]
    house.runtime._opened = None
    house.runtime._open_stores = lambda: Stores(
        stores.queue, stores.records, stores.blobs, premises=lambda: Premises(tuple(disks))
    )
    assert client.get("/health/ready").status_code == 200
    disks[0] = Disk("queue", "/srv/secret", 31 << 20, 100 * GIB)
    told = client.get("/health/ready")
    assert (told.status_code, told.json()["checks"]) == (503, {**FINE, "disk": "full"})
    assert "secret" not in told.text


def test_an_app_without_queue_tasks_needs_no_queue() -> None:
    tasks, app = Tasks(), FastAPI()
    tasks.install(app)
    app.include_router(tasks.health_router(), prefix="/internal")
    with TestClient(app) as client:
        told = client.get("/internal/health")
    assert told.status_code == 200
    assert set(told.json()["checks"].values()) == {"off"}


def test_the_worker_of_this_process_must_receive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOLANE_QUEUE", f"sqlite:///{tmp_path / 'q.db'}")
    monkeypatch.delenv("TWOLANE_WORKER", raising=False)
    tasks, app = Tasks(), FastAPI()
    tasks.install(app)
    app.include_router(tasks.health_router())

    @tasks.task(if_lost="alert", name="load")
    def load() -> None: ...

    client = TestClient(app)
    before = client.get("/health/ready")  # the lifespan has not begun
    assert (before.status_code, before.json()["checks"]["worker"]) == (503, "not receiving")
    tasks.close()
    with client:
        assert client.get("/health/ready").json()["checks"] == {"queue": "ok", "worker": "ok", "disk": "ok"}
        tasks.runtime.begin_stop()
        during = client.get("/health/ready")
        assert (during.status_code, during.json()["checks"]["worker"]) == (503, "stopping")
        assert client.get("/health/live").status_code == 200


def test_many_probes_are_one_look(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_S", 3600.0)
    house.app.include_router(house.tasks.health_router())

    async def probe() -> None:
        answers = await asyncio.gather(*(ask(house.app, "GET", "/health") for _ in range(100)))
        assert {answer.status for answer in answers} == {200}
        assert (await ask(house.app, "GET", "/health/ready")).status == 200

    asyncio.run(probe())
    assert len(house.queue.flushed) == 1
    house.runtime.close()


def test_a_queue_that_hangs_gathers_no_askers(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE_S", 0.01)
    house.app.include_router(house.tasks.health_router())
    opened, flush, read = threading.Event(), house.queue.flush, house.queue.watch_state
    asked = []

    def hanging_flush(entries: Sequence[Entry[Any]]) -> list[Any]:
        asked.append("flush")
        opened.wait()
        return flush(entries)

    def hanging_read() -> Any:
        asked.append("read")
        opened.wait()
        return read()

    monkeypatch.setattr(house.queue, "flush", hanging_flush)
    monkeypatch.setattr(house.queue, "watch_state", hanging_read)

    async def probe() -> None:
        for _ in range(20):
            assert (await ask(house.app, "GET", "/health")).status == 503
        assert sorted(asked) == ["flush", "read"]
        opened.set()
        monkeypatch.setattr(health, "PATIENCE_S", 10.0)
        assert (await ask(house.app, "GET", "/health")).status == 200

    asyncio.run(probe())
    house.runtime.close()


def test_an_app_that_keeps_all_its_own_threads_busy_is_healthy(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop's default threads are the app's."""
    monkeypatch.setattr(health, "PATIENCE_S", 60.0)
    house.app.include_router(house.tasks.health_router())
    free = threading.Event()

    async def probe() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, free.wait)
        try:
            async with asyncio.timeout(60):
                assert (await ask(house.app, "GET", "/health")).status == 200
        finally:
            free.set()
            await busy

    asyncio.run(probe())
    house.runtime.close()
