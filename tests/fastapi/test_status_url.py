"""`Ticket.status_url`: the path of the status as the present request would reach it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from tests.fastapi.watched import Watched
from twolane import Lanes, Tasks, Ticket


@pytest.fixture
def watched(tmp_path: Path) -> Generator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.close()


def bare(watched: Watched) -> FastAPI:
    """Another app with the same tasks installed, and no status router yet."""
    app = FastAPI()
    watched.tasks.install(app)
    return app


def add_endpoint(app: FastAPI | APIRouter, watched: Watched) -> None:
    @app.post("/send")
    def send(lanes: Lanes) -> Ticket:
        return lanes.add_task(watched.load, "an argument")


def add_router(app: FastAPI | APIRouter, watched: Watched, prefix: str) -> None:
    app.include_router(watched.tasks.status_router(authorize=watched.authorize), prefix=prefix)


def follow(client: Any, path: str) -> str:
    """Send, then ask under the ticket's URL; that URL without the id."""
    ticket = client.post(path).json()
    answer = client.get(ticket["status_url"])
    assert answer.status_code == 200, (ticket, answer.text)
    assert answer.json()["id"] == ticket["id"]
    return ticket["status_url"].removesuffix(ticket["id"])


def test_under_a_prefix(watched: Watched) -> None:
    add_endpoint(watched.app, watched)
    assert follow(watched.client, "/send") == "/imports/"


def test_under_a_prefix_of_a_prefix(watched: Watched) -> None:
    app, api = bare(watched), APIRouter(prefix="/api")
    add_endpoint(api, watched)
    add_router(api, watched, "/v1/imports")
    app.include_router(api)
    assert follow(TestClient(app), "/api/send") == "/api/v1/imports/"


def test_behind_a_proxy_that_strips_a_path(watched: Watched) -> None:
    add_endpoint(watched.app, watched)
    client = TestClient(watched.app, root_path="/shop")
    assert follow(client, "/send") == follow(client, "/shop/send") == "/shop/imports/"


def test_in_a_mounted_app(watched: Watched) -> None:
    outer, inner = bare(watched), FastAPI()
    add_endpoint(inner, watched)
    add_router(inner, watched, "/imports")
    outer.mount("/v1", inner)
    assert follow(TestClient(outer), "/v1/send") == "/v1/imports/"
    assert follow(TestClient(outer, root_path="/shop"), "/shop/v1/send") == "/shop/v1/imports/"


def test_in_an_app_mounted_under_a_name(watched: Watched) -> None:
    outer, inner = bare(watched), FastAPI()
    add_endpoint(inner, watched)
    add_router(inner, watched, "/imports")
    outer.mount("/v1", inner, name="inner")
    assert follow(TestClient(outer), "/v1/send") == "/v1/imports/"


def test_in_an_app_mounted_under_a_parameter(watched: Watched) -> None:
    outer, inner = bare(watched), FastAPI()
    add_endpoint(inner, watched)
    add_router(inner, watched, "/imports")
    outer.mount("/tenants/{tenant}", inner)
    assert follow(TestClient(outer), "/tenants/7/send") == "/tenants/7/imports/"


def test_in_the_app_around(watched: Watched) -> None:
    inner = FastAPI()
    add_endpoint(inner, watched)
    watched.app.mount("/v1", inner)
    assert follow(watched.client, "/v1/send") == "/imports/"


def test_in_an_app_beside(watched: Watched) -> None:
    outer, inner = bare(watched), FastAPI()
    add_endpoint(outer, watched)
    add_router(inner, watched, "/imports")
    outer.mount("/v1", inner)
    assert follow(TestClient(outer), "/send") == "/v1/imports/"


def test_in_an_app_beside_whose_mount_has_a_parameter_it_is_not_known(watched: Watched) -> None:
    outer, inner = bare(watched), FastAPI()
    add_endpoint(outer, watched)
    add_router(inner, watched, "/imports")
    outer.mount("/tenants/{tenant}", inner)
    assert TestClient(outer).post("/send").json()["status_url"] is None


def test_the_endpoint_in_a_mounted_router(watched: Watched) -> None:
    router = APIRouter()
    add_endpoint(router, watched)
    watched.app.mount("/v1", router)
    assert follow(watched.client, "/v1/send") == "/imports/"


def test_the_first_of_two(watched: Watched) -> None:
    add_endpoint(watched.app, watched)
    add_router(watched.app, watched, "/staff")
    assert follow(watched.client, "/send") == "/imports/"


def test_an_app_without_one(watched: Watched) -> None:
    app = bare(watched)
    add_endpoint(app, watched)
    client = TestClient(app)
    assert client.post("/send").json()["status_url"] is None
    add_router(app, watched, "/late")
    assert follow(client, "/send") == "/late/"


def test_tasks_without_one(tmp_path: Path) -> None:
    tasks, app = Tasks(queue=f"sqlite:///{tmp_path / 'queue.db'}", worker="off"), FastAPI()
    tasks.install(app)

    @tasks.task(if_lost="alert")
    def load() -> None: ...

    @app.post("/send")
    def send(lanes: Lanes) -> Ticket:
        return lanes.add_task(load)

    assert TestClient(app).post("/send").json()["status_url"] is None
    tasks.close()


def test_a_background_task_has_no_status(watched: Watched) -> None:
    @watched.tasks.task(if_lost="ignore")
    def mail() -> None: ...

    @watched.app.post("/mail")
    def send(lanes: Lanes) -> Ticket:
        return lanes.add_task(mail)

    assert watched.client.post("/mail").json()["status_url"] is None


def test_what_is_sent_at_once_knows_no_request(watched: Watched) -> None:
    assert watched.tasks.send_blocking(watched.load, "an argument").status_url is None
