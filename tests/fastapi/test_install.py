import asyncio
import gc
import os
import signal
import threading
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.fastapi.house import SCOPE, House
from twolane import Lanes, SettingsError, Tasks, UsageError
from twolane.fastapi.lanes import request_lanes
from twolane.fastapi.middleware import LanesMiddleware


class Outer:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class TestInstall:
    def test_is_the_innermost_middleware_whatever_the_order_of_calls(self) -> None:
        app = FastAPI(middleware=[Middleware(Outer)])
        app.add_middleware(Outer)
        Tasks().install(app)
        app.add_middleware(Outer)
        assert [each.cls for each in app.user_middleware] == [Outer, Outer, Outer, LanesMiddleware]

    def test_is_found_in_the_state(self, house: House) -> None:
        assert house.app.state.twolane is house.tasks

    def test_twice_is_refused(self, house: House) -> None:
        with pytest.raises(UsageError, match="these tasks installed already"):
            house.tasks.install(house.app)
        with pytest.raises(UsageError, match="another Tasks installed already"):
            Tasks().install(house.app)

    def test_after_the_first_request_is_refused(self) -> None:
        app = FastAPI()
        TestClient(app).get("/")
        with pytest.raises(UsageError, match="before the app is started"):
            Tasks().install(app)

    def test_what_is_no_app_is_refused(self) -> None:
        with pytest.raises(UsageError, match="APIRouter"):
            Tasks().install(APIRouter())

    def test_a_starlette_app(self, house: House) -> None:
        async def endpoint(request: StarletteRequest) -> PlainTextResponse:
            house.add_both(await request_lanes(request))
            return PlainTextResponse("ok")

        app = Starlette(routes=[Route("/", endpoint)])
        house.tasks.install(app)
        assert TestClient(app).get("/").text == "ok"
        house.assert_went()


class TestMounted:
    @pytest.mark.parametrize("installed", ["parent", "child", "both"])
    def test_sub_applications(self, installed: str) -> None:
        house = House()
        parent, child = FastAPI(), FastAPI()

        @child.post("/")
        def endpoint(lanes: Lanes) -> None:
            house.add_both(lanes)

        parent.mount("/child", child)
        for app in {"parent": [parent], "child": [child], "both": [parent, child]}[installed]:
            house.tasks.install(app)
        with TestClient(parent) as client:
            assert client.post("/child/").status_code == 200
        house.assert_went()
        assert house.queue.flushed == ["flush"]

    def test_a_child_with_tasks_of_its_own(self, house: House) -> None:
        other = House()
        house.app.mount("/child", other.app)

        @other.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            other.add_both(lanes)

        assert house.client().post("/child/").status_code == 200
        other.assert_went()
        assert house.stored() == []


class TestLifespan:
    def test_is_wrapped_and_its_state_passed_on(self) -> None:
        house, happened = House(), list[str]()

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, int]]:
            happened.append(f"enter, open: {house.lane.is_open}")
            yield {"pool": 7}
            happened.append(f"exit, open: {house.lane.is_open}")

        app = FastAPI(lifespan=lifespan)
        house.tasks.install(app)

        @app.get("/")
        def endpoint(request: Request) -> list[Any]:
            return [request.state.pool, house.lane.is_open]

        with TestClient(app) as client:
            assert client.get("/").json() == [7, True]
        assert happened == ["enter, open: False", "exit, open: False"]

    def test_runs_again(self, house: House) -> None:
        for _ in range(2):
            with house.client():
                assert house.lane.is_open
            assert not house.lane.is_open

    def test_a_nested_one_of_the_same_tasks_opens_nothing(self, house: House) -> None:
        child = FastAPI()
        house.tasks.install(child)

        async def main() -> None:
            async with house.app.router.lifespan_context(house.app):
                async with child.router.lifespan_context(child):
                    assert house.lane.is_open
                assert house.lane.is_open

        asyncio.run(main())
        assert not house.lane.is_open

    def test_without_it_requests_work_and_no_worker_runs(self, house: House) -> None:
        @house.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            house.add_both(lanes)

        assert house.client().post("/").status_code == 200
        house.assert_went()
        assert not house.lane.is_open


class TestSignals:
    """In the main thread, as in a server."""

    @pytest.fixture(autouse=True)
    def _handlers(self) -> Any:
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_begin_the_stop_and_reach_the_handler_before(self, house: House, number: signal.Signals) -> None:
        heard: list[int] = []

        def server(number: int, frame: Any) -> None:
            heard.append(number)

        async def main() -> None:
            gate = asyncio.Event()

            async def waits() -> None:
                await gate.wait()

            task = house.tasks.task(if_lost="ignore", name="waits")(waits)
            async with house.app.router.lifespan_context(house.app):
                call = house.lane.prepare(task, (), {}, id="x")
                request = asyncio.create_task(house.lane.run_all([call]))
                await asyncio.sleep(0)
                signal.raise_signal(number)
                await request
                assert house.lane.unfinished == 1
                gate.set()

        signal.signal(number, server)
        asyncio.run(main())
        assert heard == [number]
        assert house.lane.done == {"waits": 1}
        assert signal.getsignal(number) is server

    def test_the_same_twice_hurries(self, house: House) -> None:
        heard: list[int] = []

        async def main() -> None:
            async def waits() -> None:
                await asyncio.Event().wait()

            task = house.tasks.task(if_lost="ignore", name="waits")(waits)
            async with house.app.router.lifespan_context(house.app):
                await house.tasks.send(task)
                await asyncio.sleep(0)
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(0)
                assert house.lane.unfinished == 1
                signal.raise_signal(signal.SIGTERM)
                async with asyncio.timeout(60):  # the lifespan's end would wait out the grace time
                    await house.lane.idle()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: heard.append(number))
        asyncio.run(main())
        assert heard == [signal.SIGTERM, signal.SIGINT, signal.SIGTERM]
        assert house.lane.lost == {"waits": 1}

    def test_one_that_ends_the_process_by_itself_is_left_alone(self, house: House) -> None:
        async def main() -> None:
            async with house.app.router.lifespan_context(house.app):
                assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        asyncio.run(main())

    def test_a_handler_set_meanwhile_stays(self, house: House) -> None:
        def another(number: int, frame: Any) -> None: ...

        async def main() -> None:
            async with house.app.router.lifespan_context(house.app):
                signal.signal(signal.SIGTERM, another)

        signal.signal(signal.SIGTERM, lambda *_: None)
        asyncio.run(main())
        assert signal.getsignal(signal.SIGTERM) is another

    def test_another_thread_installs_none_and_that_is_no_error(self, house: House) -> None:
        before = signal.getsignal(signal.SIGINT)

        async def main() -> None:
            async with house.app.router.lifespan_context(house.app):
                assert signal.getsignal(signal.SIGINT) is before

        thread = threading.Thread(target=lambda: asyncio.run(main()))
        thread.start()
        thread.join()
        assert not house.lane.is_open


def test_lambda_is_told_that_nothing_runs_after_the_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    monkeypatch.setitem(os.environ, "AWS_LAMBDA_FUNCTION_NAME", "api")
    for _ in range(2):
        house.client().get("/")
    (line,) = [line for line in caplog.messages if "Lambda" in line]
    assert line.startswith("this app runs in Lambda function api, where nothing runs after the answer")
    assert ": mail. Accept" in line, "by task"


@pytest.mark.parametrize("inline", [True, False])
def test_in_lambda_an_answer_may_wait_for_its_background_tasks(
    inline: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    house.tasks.lambda_background = "inline" if inline else None
    monkeypatch.setitem(os.environ, "AWS_LAMBDA_FUNCTION_NAME", "api")
    done: list[int] = []

    @house.app.post("/")
    async def endpoint(lanes: Lanes) -> None:
        house.add_both(lanes)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            done.append(house.lane.done["mail"])

    asyncio.run(house.app({**SCOPE}, receive, send))

    assert done == [1 if inline else 0], "how many had run when the answer's end left"
    assert house.lane.done["mail"] == 1
    assert inline is not any("Lambda" in line for line in caplog.messages)


def test_nothing_but_inline_is_a_choice() -> None:
    with pytest.raises(SettingsError, match='lambda_background takes "inline"'):
        Tasks(lambda_background="after")  # type: ignore[arg-type]


def test_a_request_leaves_nothing_to_the_garbage_collector() -> None:
    """A cycle through the scope costs more than everything else the middleware does."""
    house = House()
    alive: list[weakref.ref[object]] = []

    @house.app.post("/")
    async def endpoint(lanes: Lanes) -> None:
        house.add_both(lanes)

    class Part:
        """A value in the scope: it lives as long as the scope does."""

    class Server:
        """Knows the scope and is known by `send`, as uvicorn's is."""

        def __init__(self) -> None:
            self.scope = {**SCOPE}
            part = self.scope["part"] = Part()
            alive.extend([weakref.ref(self), weakref.ref(part)])

        async def receive(self) -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(self, message: dict[str, Any]) -> None: ...

    async def serve() -> None:
        server = Server()
        await house.app(server.scope, server.receive, server.send)

    async def main() -> None:
        await asyncio.create_task(serve())
        await asyncio.create_task(serve())

    gc.disable()
    try:
        asyncio.run(main())
        assert [each() for each in alive] == [None] * 4
    finally:
        gc.enable()
    assert house.lane.done == {"mail": 2}
