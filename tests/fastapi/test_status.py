"""The JSON of a status: who gets it, what is in it, and that nothing else leaves."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fastapi.watched import Watched
from twolane import DefinitionError, Record, Tasks
from twolane.contracts import queue as q
from twolane.contracts import upkeep as u
from twolane.fastapi.status import NOT_FOUND, UNREADABLE, TaskStatus

NOBODYS = "0192b5a0-0000-7000-8000-000000000000"
FIELDS = [
    "id", "state", "attempt", "done", "total", "sent_at", "started_at", "progressed_at", "finished_at",
    "message", "result",
]  # fmt: skip


@pytest.fixture
def watched(tmp_path: Path) -> Generator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.close()


class TestWhatLeaves:
    def test_a_message_that_waits(self, watched: Watched) -> None:
        message_id = watched.sent()
        answer = watched.get(message_id)

        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        assert list(answer.json()) == FIELDS == list(TaskStatus.model_fields)
        said = answer.json()
        assert (said["id"], said["state"], said["attempt"]) == (message_id, "waiting", 1)
        assert said["sent_at"].endswith("Z")
        assert [name for name in FIELDS if said[name] is None] == [
            "done", "total", "started_at", "progressed_at", "finished_at", "message", "result",
        ]  # fmt: skip

    def test_progress(self, watched: Watched) -> None:
        message_id, receipt = watched.running()
        watched.progress(receipt, 41)
        said = watched.json(message_id)
        assert (said["state"], said["done"], said["total"]) == ("running", 41, 100)
        assert said["sent_at"] <= said["started_at"] <= said["progressed_at"]

    def test_the_public_sentence_and_nothing_of_the_error(self, watched: Watched) -> None:
        answer = watched.get(watched.dead("Your card has expired."))
        assert answer.json()["message"] == "Your card has expired."
        assert answer.json()["state"] == "dead"
        for secret in ("hunter2", "Traceback", "ValueError", "argument", "w1", "load", "default", "cursor"):
            assert secret not in answer.text

    @pytest.mark.parametrize(("shown", "said"), [(True, {"rows": 2}), (False, None)])
    def test_a_result_only_where_the_task_shows_it(self, watched: Watched, shown: bool, said: Any) -> None:
        assert watched.json(watched.done({"rows": 2}, shown=shown))["result"] == said

    def test_no_result_of_a_task_that_is_not_known_here(self, watched: Watched) -> None:
        message_id = watched.done("secret", shown=True)
        watched.tasks.registry._tasks.clear()
        assert watched.json(message_id)["result"] is None

    def test_a_result_with_a_lone_surrogate(self, watched: Watched) -> None:
        assert watched.json(watched.done("\ud800", shown=True))["result"] == "\ud800"

    def test_progress_that_json_has_no_number_for(self, watched: Watched) -> None:
        message_id, receipt = watched.running()
        watched.progress(receipt, float("inf"))
        assert watched.json(message_id)["done"] is None

    def test_a_row_put_in_by_hand(self, watched: Watched) -> None:
        message_id = watched.done({"a": 1}, shown=True)
        with sqlite3.connect(watched.file) as connection:
            connection.execute("UPDATE messages SET sent_at = 1e300, finished_at = -1e300, result = '{'")
        connection.close()
        said = watched.json(message_id)
        assert (said["sent_at"], said["result"]) == ("9999-12-31T23:59:59Z", None)

    @pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html,*/*;q=0.8", "application/pdf"])
    def test_json_unless_events_are_asked_for(self, watched: Watched, accept: str) -> None:
        answer = watched.get(watched.sent(), accept=accept)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["vary"] == "Accept"


class TestWhoMaySeeIt:
    @pytest.mark.parametrize("suffix", ["", "/events"])
    def test_others_and_no_such_id_cannot_be_told_apart(self, watched: Watched, suffix: str) -> None:
        watched.says = False
        others = watched.get(watched.sent() + suffix)
        answers = [
            watched.get(each + suffix)
            for each in (NOBODYS, "7", "%00", "%ff", "urn:uuid:" + NOBODYS, "{" + NOBODYS + "}", "a" * 5000)
        ]

        assert others.status_code == 404
        assert others.json() == {"detail": NOT_FOUND}
        for answer in answers:
            assert (answer.status_code, answer.content) == (404, others.content)
            assert answer.headers == others.headers

    def test_nobody_is_asked_about_what_is_not_there(self, watched: Watched) -> None:
        watched.get(NOBODYS)
        assert watched.asked == []

    def test_an_id_in_capitals_is_the_same(self, watched: Watched) -> None:
        message_id = watched.sent()
        assert watched.json(message_id.upper())["id"] == message_id

    def test_authorize_gets_the_request_and_the_public_record(self, watched: Watched) -> None:
        watched.says = lambda request, record: request.headers["x-user"] == record.task
        message_id = watched.sent()
        assert watched.get(message_id, **{"x-user": "load"}).status_code == 200
        assert watched.get(message_id, **{"x-user": "eve"}).status_code == 404
        assert {type(each) for each in watched.asked} == {Record}

    def test_it_is_asked_again_each_time(self, watched: Watched) -> None:
        message_id = watched.sent()
        assert watched.get(message_id).status_code == 200
        watched.says = False
        assert watched.get(message_id).status_code == 404

    @pytest.mark.parametrize("status", [401, 403])
    def test_what_the_app_raises_passes(self, watched: Watched, status: int) -> None:
        watched.says = HTTPException(status, "log in", headers={"WWW-Authenticate": "Bearer"})
        for suffix in ("", "/events"):
            answer = watched.get(watched.sent() + suffix)
            assert (answer.status_code, answer.json()) == (status, {"detail": "log in"})
            assert answer.headers["www-authenticate"] == "Bearer"

    def test_an_error_is_the_apps_own(self, watched: Watched) -> None:
        watched.says = RuntimeError("the session store is down")
        assert watched.get(watched.sent()).status_code == 500
        with pytest.raises(RuntimeError, match="session store"):
            TestClient(watched.app).get(f"/imports/{watched.sent()}")

    @pytest.mark.parametrize("answer", [None, 1, "yes"])
    def test_neither_true_nor_false_lets_nobody_in(self, watched: Watched, answer: object) -> None:
        watched.says = answer
        assert watched.get(watched.sent()).status_code == 500

    def test_plain_functions_run_in_a_thread_and_async_ones_on_the_loop(self, tmp_path: Path) -> None:
        where: list[str] = []

        async def on_the_loop(_request: Request, _record: Record) -> bool:
            where.append(threading.current_thread().name)
            return True

        class Asked:
            async def __call__(self, _request: Request, _record: Record) -> bool:
                where.append(threading.current_thread().name)
                return False

        def in_a_thread(_request: Request, _record: Record) -> bool:
            where.append(threading.current_thread().name)
            return True

        def passes_it_on(request: Request, record: Record) -> Any:
            return on_the_loop(request, record)

        tasks = Tasks(queue=f"sqlite:///{tmp_path / 'queue.db'}", worker="off")
        app = FastAPI()
        tasks.install(app)
        functions = {"/a": on_the_loop, "/b": Asked(), "/c": in_a_thread, "/d": passes_it_on}
        for prefix, function in functions.items():
            app.include_router(tasks.status_router(authorize=function), prefix=prefix)

        @tasks.task(if_lost="alert")
        def load() -> None: ...

        message_id = tasks.send_blocking(load).id
        with TestClient(app) as client:
            answers = [client.get(f"/{each}/{message_id}").status_code for each in "abcd"]
        assert answers == [200, 404, 200, 200]
        assert where[0] == where[1] == where[3] != where[2]


class TestDefinition:
    @pytest.mark.parametrize("authorize", [None, True, "anybody", lambda: True, lambda _request: True])
    def test_authorize_must_be_a_function_of_two(self, authorize: Any) -> None:
        with pytest.raises(DefinitionError, match=r"takes a function of \(request, record\)"):
            Tasks().status_router(authorize=authorize)

    def test_it_has_no_default(self) -> None:
        with pytest.raises(TypeError, match="authorize"):
            Tasks().status_router()  # type: ignore[call-arg]

    def test_public_result_is_of_the_queue_lane(self) -> None:
        with pytest.raises(DefinitionError, match="public_result: only a queue can keep this"):
            Tasks().task(if_lost="ignore", public_result=True)  # type: ignore[call-overload]

    def test_public_result_is_a_flag(self) -> None:
        with pytest.raises(DefinitionError, match="public_result is True or False, not 'yes'"):
            Tasks().task(if_lost="alert", public_result="yes")(len)  # type: ignore[call-overload]

    def test_the_app_needs_its_lanes(self, watched: Watched) -> None:
        bare, other = FastAPI(), FastAPI()
        Tasks().install(other)
        for app, says in ((bare, "tasks.install"), (other, "another Tasks")):
            app.include_router(watched.tasks.status_router(authorize=watched.authorize))
            with pytest.raises(Exception, match=says):
                TestClient(app).get(f"/{watched.sent()}")


class TestTheQueueIsNotThere:
    def assert_unreadable(self, watched: Watched, message_id: str) -> None:
        for suffix in ("", "/events"):
            answer = watched.get(message_id + suffix)
            assert (answer.status_code, answer.json()) == (503, {"detail": UNREADABLE})
            assert answer.headers["cache-control"] == "no-store"

    def test_gone(self, watched: Watched) -> None:
        message_id = watched.sent()
        watched.tasks.close()
        for file in watched.file.parent.glob("queue.db*"):
            if file.is_file():
                file.unlink()
        self.assert_unreadable(watched, message_id)

    def test_damaged(self, watched: Watched) -> None:
        message_id = watched.sent()
        watched.tasks.close()
        watched.file.write_bytes(b"no database at all" * 1000)
        self.assert_unreadable(watched, message_id)

    def test_of_another_program(self, watched: Watched) -> None:
        message_id = watched.sent()
        watched.tasks.close()
        watched.file.unlink()
        with sqlite3.connect(watched.file) as connection:
            connection.execute("CREATE TABLE theirs (a)")
        connection.close()
        self.assert_unreadable(watched, message_id)

    def test_locked(self, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("twolane.backends.sqlite.connection.BUSY_TIMEOUT_S", 0.0)
        message_id = watched.sent()
        watched.tasks.close()
        locker = sqlite3.connect(watched.file, isolation_level=None)
        locker.execute("PRAGMA locking_mode = EXCLUSIVE")
        locker.execute("BEGIN EXCLUSIVE")
        self.assert_unreadable(watched, message_id)
        locker.close()
        assert watched.get(message_id).status_code == 200

    def test_a_record_that_was_pruned(self, watched: Watched) -> None:
        message_id = watched.done()
        assert watched.get(message_id).status_code == 200
        assert watched.do(u.Prune(keep_s=-1.0)) == 1
        assert watched.get(message_id).json() == {"detail": NOT_FOUND}
        assert watched.tasks.record(message_id) is None


class TestCancel:
    def test_waiting(self, watched: Watched) -> None:
        record = watched.tasks.cancel(message_id := watched.sent())
        assert record is not None
        assert (record.state, record.cancel_requested) == ("cancelled", False)
        assert record == watched.tasks.record(message_id)

    def test_running(self, watched: Watched) -> None:
        message_id, receipt = watched.running()
        record = watched.tasks.cancel(message_id)
        assert record is not None
        assert (record.state, record.cancel_requested) == ("running", True)
        assert watched.do(q.SaveCheckpoint(receipt, None)).cancel_requested

    def test_ended(self, watched: Watched) -> None:
        for message_id in (watched.done(), watched.dead()):
            before = watched.tasks.record(message_id)
            assert watched.tasks.cancel(message_id) == before

    @pytest.mark.parametrize("message_id", [NOBODYS, "", "nothing", "\0"])
    def test_no_such(self, watched: Watched, message_id: str) -> None:
        watched.sent()
        assert watched.tasks.cancel(message_id) is None

    def test_by_the_id_of_a_send_that_met_it_under_its_unique_key(self, watched: Watched) -> None:
        first = watched.tasks.send_blocking(watched.load.options(unique_key="k"), "a").id
        second = str(uuid.uuid4())
        assert watched.tasks.send_blocking(watched.load.options(unique_key="k", id=second), "a").id == first
        record = watched.tasks.cancel(second)
        assert record is not None
        assert (record.id, record.state) == (first, "cancelled")
        assert watched.json(second)["id"] == first


@pytest.mark.filterwarnings("ignore:The `__fields__` attribute")  # FastAPI 0.121 itself, with pydantic 2.9
class TestOpenApi:
    def test_both_routes_are_told(self, watched: Watched) -> None:
        paths = watched.app.openapi()["paths"]
        status, events = paths["/imports/{id}"]["get"], paths["/imports/{id}/events"]["get"]

        assert status["operationId"] == "twolane_status_imports__id__get"
        assert events["operationId"] == "twolane_status_events_imports__id__events_get"
        content = status["responses"]["200"]["content"]
        assert set(content) == {"application/json", "text/event-stream"}
        assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/TaskStatus"}
        assert set(events["responses"]["200"]["content"]) == {"text/event-stream"}
        for operation in (status, events):
            assert {"404", "503", "4XX"} <= set(operation["responses"])
            assert "422" not in operation["responses"]
            for code in ("404", "503", "4XX"):
                assert set(operation["responses"][code]["content"]) == {"application/json"}

    def test_what_is_answered_fits_it(self, watched: Watched) -> None:
        for message_id in (watched.sent(), watched.dead("so"), watched.done([1], shown=True)):
            text = watched.get(message_id).text
            assert TaskStatus.model_validate_json(text).model_dump(mode="json") == json.loads(text)

    def test_a_router_included_twice_has_four_operations(self, watched: Watched) -> None:
        watched.app.include_router(watched.tasks.status_router(authorize=watched.authorize), prefix="/staff")
        operations = [each["get"]["operationId"] for each in watched.app.openapi()["paths"].values()]
        assert len(set(operations)) == 4


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Generator[Watched]:
    """One app for all examples."""
    made = Watched(tmp_path_factory.mktemp("asked"))
    made.sent()
    yield made
    made.close()


@settings(max_examples=200, deadline=None)
@given(
    path=st.text(st.characters(exclude_characters="/?#"), min_size=1),
    accept=st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    last=st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)
def test_nothing_that_is_asked_is_an_error(asked: Watched, path: str, accept: str, last: str) -> None:
    raw = quote(path, safe="", errors="surrogatepass") if path not in (".", "..") else "%2e"
    for suffix in ("", "/events"):
        answer = asked.get(raw + suffix, accept=accept, **{"last-event-id": last})
        assert (answer.status_code, answer.json()) == (404, {"detail": NOT_FOUND})


def test_a_router_of_routers(watched: Watched) -> None:
    """A prefix of a prefix, as larger apps have it."""
    api = APIRouter(prefix="/api")
    api.include_router(watched.tasks.status_router(authorize=watched.authorize), prefix="/v1/tasks")
    watched.app.include_router(api)
    assert watched.client.get(f"/api/v1/tasks/{watched.sent()}").json()["state"] == "waiting"
