"""What FastAPI's BackgroundTasks do, case by case, and beside each what twolane does.

The cases of a shutdown need a real server: test_shutdown.py.
"""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import anyio.to_thread
import pytest
from fastapi import BackgroundTasks, Depends, HTTPException, Response
from fastapi.testclient import TestClient
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware

from tests.fastapi.house import House, ask
from twolane import Lanes

WAIT_S = 20.0
whose = contextvars.ContextVar("whose", default="nobody's")


class Both:
    """The same functions as FastAPI's own background tasks and as tasks: /fastapi and /twolane."""

    def __init__(self) -> None:
        self.house = House()
        self.ran: list[str] = []

    def note(self, word: str) -> None:
        self.ran.append(word)

    def serve(self, *fns: Callable[[], Any], finish: Callable[[], Any] = lambda: None, **route: Any) -> None:
        """Endpoints that add these functions and end with `finish`."""
        tasks = [self.house.tasks.task(if_lost="ignore", name=fn.__name__)(fn) for fn in fns]

        @self.house.app.post("/fastapi", **route)
        async def fastapi(background: BackgroundTasks) -> Any:
            for fn in fns:
                background.add_task(fn)
            return finish()

        @self.house.app.post("/twolane", **route)
        async def twolane(lanes: Lanes) -> Any:
            for task in tasks:
                lanes.add_task(task)
            return finish()

    def ask(self, path: str) -> tuple[int, list[str]]:
        """The status of an answer, and what ran because of it."""
        self.ran.clear()
        return self.house.client().post(path).status_code, list(self.ran)


@pytest.fixture
def both() -> Both:
    return Both()


def test_the_first_of_three_raises(both: Both) -> None:
    def first() -> None:
        raise ValueError

    async def second() -> None:
        both.note("second")

    def third() -> None:
        both.note("third")

    both.serve(first, second, third)
    assert both.ask("/fastapi") == (200, [])
    assert both.ask("/twolane") == (200, ["second", "third"])


def raise_409() -> None:
    raise HTTPException(409)


@pytest.mark.parametrize(
    ("finish", "status"),
    [(raise_409, 409), (lambda: "no number", 500)],
    ids=["HTTPException", "response_model"],
)
def test_an_error_after_add_task(
    both: Both, finish: Callable[[], Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def task() -> None:
        both.note("ran")

    both.serve(task, finish=finish, response_model=int)
    assert both.ask("/fastapi") == (status, [])
    assert [each for each in caplog.records if each.name.startswith("twolane")] == []
    assert both.ask("/twolane") == (status, [])
    assert [each.split()[0] for each in caplog.messages if "rolled back" in each] == ["task"]
    assert both.house.lane.rolled_back == {"task": 1}


def test_a_response_with_a_background_of_its_own(both: Both) -> None:
    def task() -> None:
        both.note("task")

    both.serve(task, finish=lambda: Response(background=BackgroundTask(both.note, "the response's own")))
    assert both.ask("/fastapi") == (200, ["the response's own"])
    assert both.ask("/twolane") == (200, ["the response's own", "task"])


def test_fastapis_own_tasks_beside_the_lanes_keep_working(both: Both) -> None:
    def task() -> None:
        both.note("task")

    in_the_lane = both.house.tasks.task(if_lost="ignore", name="task")(task)

    @both.house.app.post("/{fails}")
    def endpoint(fails: bool, background: BackgroundTasks, lanes: Lanes) -> None:
        lanes.add_task(in_the_lane)
        background.add_task(both.note, "FastAPI's")
        if fails:
            background.add_task(lambda: 1 // 0)

    assert both.ask("/false") == (200, ["FastAPI's", "task"])
    assert both.ask("/true") == (200, ["FastAPI's", "task"])  # theirs raised, and ours ran


def test_an_async_task_that_blocks(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    async def blocks() -> None:
        both.house.clock.advance(3.0)

    both.serve(blocks)
    both.ask("/fastapi")
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    both.ask("/twolane")
    assert [each.split()[0] for each in caplog.messages if "held the event loop for 3.000 s" in each] == [
        "blocks"
    ]


@pytest.mark.parametrize(
    ("scope", "fastapi", "twolane"),
    [
        ("request", ["start", "end", "task", "commit"], ["start", "end", "commit", "task"]),
        ("function", ["commit", "start", "end", "task"], ["commit", "start", "end", "task"]),
    ],
)
def test_yield_dependencies(both: Both, scope: Any, fastapi: list[str], twolane: list[str]) -> None:
    def session() -> Iterator[None]:
        yield
        both.note("commit")

    async def task() -> None:
        both.note("task")

    def needs_it(_: Annotated[None, Depends(session, scope=scope)]) -> None: ...

    both.serve(task, dependencies=[Depends(needs_it)])  # FastAPI 0.121 overlooks the scope right here

    async def order(path: str) -> list[str]:
        both.ran.clear()
        await ask(both.house.app, "POST", path, happened=both.ran)
        short = {"http.response.start": "start", "http.response.body": "end"}
        return [short.get(each, each) for each in both.ran]

    assert asyncio.run(order("/fastapi")) == fastapi
    assert asyncio.run(order("/twolane")) == twolane


@pytest.mark.parametrize("is_async", [True, False], ids=["async def", "def"])
def test_context_variables(both: Both, is_async: bool) -> None:
    async def task() -> None:
        both.note(whose.get())

    in_the_lane = both.house.tasks.task(if_lost="ignore", name="task")(task)

    def endpoint(background: BackgroundTasks, lanes: Lanes) -> None:
        whose.set("the request's")
        background.add_task(task)
        lanes.add_task(in_the_lane)

    async def endpoint_async(background: BackgroundTasks, lanes: Lanes) -> None:
        endpoint(background, lanes)

    both.house.app.post("/")(endpoint_async if is_async else endpoint)
    fastapi = "the request's" if is_async else "nobody's"
    assert both.ask("/") == (200, [fastapi, "the request's"])


def test_a_test_client_raises_what_fastapis_tasks_raise(both: Both) -> None:
    def task() -> None:
        raise ZeroDivisionError

    both.serve(task)
    client = TestClient(both.house.app)
    with pytest.raises(ZeroDivisionError):
        client.post("/fastapi")
    assert client.post("/twolane").status_code == 200
    assert both.house.lane.failed == {"task": 1}


def test_a_base_http_middleware_does_no_harm(both: Both) -> None:
    async def passes(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    async def task() -> None:
        await asyncio.sleep(0)
        both.note("ran")

    both.serve(task)
    both.house.app.add_middleware(BaseHTTPMiddleware, dispatch=passes)
    assert both.ask("/fastapi") == (200, ["ran"])
    assert both.ask("/twolane") == (200, ["ran"])


class TestTwoHundredSyncTasks:
    """FastAPI runs them in the 40 threads that serve endpoints, twolane in a few of its own."""

    def serve(self, both: Both) -> tuple[Callable[[str], Any], Callable[[], Any]]:
        """Requests whose tasks last until the gate is opened, and the function that opens it."""
        opened = threading.Event()

        def lasts() -> None:
            opened.wait(WAIT_S)
            both.note("ran")

        both.serve(lasts)

        @both.house.app.get("/unrelated")
        def unrelated() -> None: ...

        def start(path: str) -> Any:
            return asyncio.gather(*(ask(both.house.app, "POST", path) for _ in range(200)))

        return start, opened.set

    def test_of_fastapis_hold_up_an_unrelated_endpoint(self, both: Both) -> None:
        async def main() -> None:
            start, open_gate = self.serve(both)
            limiter = anyio.to_thread.current_default_thread_limiter()
            requests = start("/fastapi")
            await until(lambda: limiter.statistics().tasks_waiting == 160)
            unrelated = asyncio.create_task(ask(both.house.app, "GET", "/unrelated"))
            await until(lambda: limiter.statistics().tasks_waiting == 161)
            assert not unrelated.done()
            open_gate()
            await asyncio.gather(requests, unrelated)

        asyncio.run(main())
        assert len(both.ran) == 200

    def test_of_twolanes_do_not(self, both: Both) -> None:
        async def main() -> None:
            start, open_gate = self.serve(both)
            requests = start("/twolane")
            await until(lambda: both.house.lane.unfinished == 200)
            assert (await ask(both.house.app, "GET", "/unrelated")).status == 200
            assert both.ran == []
            open_gate()
            await requests

        asyncio.run(main())
        assert len(both.ran) == 200


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0)
