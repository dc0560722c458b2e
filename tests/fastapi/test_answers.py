"""The answer says what happened: below 400 the tasks of both lanes go, otherwise they are rolled back."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Query, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware

from tests.fastapi.house import House, ask
from twolane import Blob, Lanes, SendRefused, UsageError
from twolane.engine.limits import Limits
from twolane.fastapi.exchange import Refused


class Model(BaseModel):
    number: int


def raises(_lanes: Lanes) -> Any:
    raise RuntimeError("by the endpoint")


def raises_http(_lanes: Lanes) -> Any:
    raise HTTPException(409, "taken")


def answers(status: int) -> Callable[[Lanes], Any]:
    return lambda _lanes: Response(status_code=status)


OUTCOMES: list[tuple[str, Callable[[Any], Any], int, bool]] = [
    ("returns", lambda _: {"number": 1}, 200, True),
    ("returns 204", answers(204), 204, True),
    ("redirects", lambda _: RedirectResponse("/", 303), 303, True),
    ("answers 399", answers(399), 399, True),
    ("answers 400", answers(400), 400, False),
    ("answers 404", answers(404), 404, False),
    ("answers 500", answers(500), 500, False),
    ("raises", raises, 500, False),
    ("raises HTTPException", raises_http, 409, False),
    ("fails response_model", lambda _: {"number": "no number"}, 500, False),
]


@pytest.mark.parametrize("is_async", [True, False], ids=["async def", "def"])
@pytest.mark.parametrize(("_", "finish", "status", "goes"), OUTCOMES, ids=[each[0] for each in OUTCOMES])
def test_tasks_share_the_fate_of_the_answer(
    house: House,
    _: str,
    finish: Callable[[Any], Any],
    status: int,
    goes: bool,
    is_async: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def endpoint(lanes: Lanes) -> Any:
        house.add_both(lanes)
        return finish(lanes)

    async def endpoint_async(lanes: Lanes) -> Any:
        return endpoint(lanes)

    house.app.post("/", response_model=Model)(endpoint_async if is_async else endpoint)
    assert house.client().post("/", follow_redirects=False).status_code == status
    if goes:
        house.assert_went()
    else:
        house.assert_rolled_back()
        lines = [each for each in caplog.records if each.name == "twolane.lanes"]
        assert [line.levelname for line in lines] == ["WARNING"] * 2
        assert [line.getMessage().split()[0] for line in lines] == ["load", "mail"]
        assert all("rolled back: " in line.getMessage() for line in lines)


def test_a_request_that_does_not_validate_rolls_back_what_a_dependency_added(house: House) -> None:
    async def adds(lanes: Lanes) -> None:
        house.add_both(lanes)

    @house.app.post("/", dependencies=[Depends(adds)])
    def endpoint(number: Annotated[int, Query()]) -> None: ...

    assert house.client().post("/?number=none").status_code == 422
    house.assert_rolled_back()


def test_an_exception_handler_decides_by_its_status(house: House) -> None:
    @house.app.exception_handler(RuntimeError)
    async def handle(request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": "handled"}, 202)

    @house.app.post("/")
    def endpoint(lanes: Lanes) -> None:
        house.add_both(lanes)
        raise RuntimeError

    assert house.client().post("/").status_code == 202
    house.assert_went()


def test_an_app_that_never_answers_rolls_back(house: House) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        house.add_both_in(scope)

    house.app.mount("/", silent)
    answer = asyncio.run(ask(house.app, "GET", "/"))
    assert answer.messages == []
    house.assert_rolled_back()


def test_a_thread_that_outlives_a_failed_endpoint_is_told(house: House) -> None:
    kept: list[Lanes] = []

    @house.app.post("/")
    def endpoint(lanes: Lanes) -> None:
        kept.append(lanes)
        raise RuntimeError

    assert house.client().post("/").status_code == 500
    with pytest.raises(UsageError, match=r"after the response has started.*tasks\.send"):
        house.add_both(kept[0])


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE"])
def test_any_method(house: House, method: str) -> None:
    @house.app.api_route("/", methods=[method])
    def endpoint(lanes: Lanes) -> None:
        house.add_both(lanes)

    assert house.client().request(method, "/").status_code == 200
    house.assert_went()


class TestOrder:
    def test_stored_before_the_answer_starts_and_background_after_it_ends(self, house: House) -> None:
        house.queue.flushed = house.happened

        @house.app.post("/")
        async def endpoint(lanes: Lanes) -> None:
            house.add_both(lanes)
            house.happened.append("endpoint")

        asyncio.run(ask(house.app, "POST", "/", happened=house.happened))
        assert house.happened == [
            "endpoint",
            "flush",
            "http.response.start",
            "http.response.body",
            "mail ada",
        ]

    def test_one_flush_for_all_tasks_of_a_request(self, house: House) -> None:
        def adds(lanes: Lanes) -> Lanes:
            lanes.add_task(house.load, 1)
            return lanes

        class Adds:
            def __init__(self, lanes: Lanes) -> None:
                lanes.add_task(house.load, 2)

        async def adds_uncached(lanes: Annotated[Any, Depends(adds, use_cache=False)]) -> None:
            lanes.add_task(house.load, 3)

        @house.app.post("/")
        def endpoint(
            lanes: Lanes,
            one: Annotated[Any, Depends(adds)],
            two: Annotated[Adds, Depends()],
            three: Annotated[None, Depends(adds_uncached)],
        ) -> None:
            lanes.add_task(house.load, 4)

        assert house.client().post("/").status_code == 200
        assert len(house.stored()) == 5
        assert house.queue.flushed == ["flush"]

    def test_function_scoped_dependencies_have_committed_and_request_scoped_ones_not(
        self, house: House
    ) -> None:
        house.queue.flushed = house.happened

        def function_scoped() -> Iterator[None]:
            yield
            house.happened.append("function-scoped commit")

        def request_scoped() -> Iterator[None]:
            yield
            house.happened.append("request-scoped commit")

        @house.app.post("/")
        def endpoint(
            lanes: Lanes,
            one: Annotated[None, Depends(function_scoped, scope="function")],
            two: Annotated[None, Depends(request_scoped)],
        ) -> None:
            house.add_both(lanes)

        asyncio.run(ask(house.app, "POST", "/", happened=house.happened))
        assert house.happened == [
            "function-scoped commit",
            "flush",
            "http.response.start",
            "http.response.body",
            "request-scoped commit",
            "mail ada",
        ]


def refuse(house: House) -> None:
    house.queue.refuses = SendRefused("secret internals")


def break_(house: House) -> None:
    house.queue.breaks = OSError("secret internals")


class TestFailingStore:
    @pytest.mark.parametrize(
        ("fail", "words"), [(refuse, "could not be stored"), (break_, "it is not known")]
    )
    def test_503_says_what_is_known_and_each_id(
        self, house: House, fail: Callable[[House], None], words: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        tickets: list[str] = []

        @house.app.post("/", status_code=202)
        def endpoint(lanes: Lanes) -> None:
            lanes.add_task(house.mail, "ada")
            tickets.extend(lanes.add_task(house.load, number).id for number in (1, 2))

        fail(house)
        answer = house.client().post("/")
        assert answer.status_code == 503
        assert answer.json().keys() == {"detail", "ids"}
        assert words in answer.json()["detail"]
        assert answer.json()["ids"] == tickets
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert house.happened == []
        assert house.lane.rolled_back == {"mail": 1}
        lines = [each.getMessage() for each in caplog.records if each.name == "twolane.lanes"]
        assert [line.split()[:2] for line in lines[:2]] == [["load", f"{each}:"] for each in tickets]
        assert "secret internals" in lines[0]

    def test_without_a_queue_task_nothing_is_stored_and_nothing_fails(self, house: House) -> None:
        @house.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            lanes.add_task(house.mail, "ada")

        refuse(house)
        assert house.client().post("/").status_code == 200
        assert house.happened == ["mail ada"]

    def test_at_400_and_above_the_answer_stays(self, house: House) -> None:
        @house.app.post("/", status_code=404)
        def endpoint(lanes: Lanes) -> None:
            house.add_both(lanes)

        refuse(house)
        assert house.client().post("/").status_code == 404
        assert house.queue.flushed == []

    def test_a_blob_that_turns_out_too_large_is_413(self) -> None:
        house = House(Limits(upload_bytes=10))

        @house.tasks.task(if_lost="alert", name="read")
        def read(blob: Blob) -> None: ...

        class Endless:
            def read(self, size: int = -1) -> bytes:
                return b"x" * size

            def seekable(self) -> bool:
                return False

        @house.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            lanes.add_task(read, lanes.store(Endless()))

        answer = house.client().post("/")
        assert answer.status_code == 413
        assert "more bytes" in answer.json()["detail"]
        assert house.stored() == []

    @pytest.mark.parametrize("late", ["add_middleware first", "install first"])
    def test_outer_middlewares_wrap_the_503(self, house: House, late: str) -> None:
        app = FastAPI()

        async def adds_a_header(request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            response.headers["x-request-id"] = "7"
            return response

        def add() -> None:
            app.add_middleware(BaseHTTPMiddleware, dispatch=adds_a_header)
            app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])

        steps = [add, lambda: house.tasks.install(app)]
        for step in steps if late == "install first" else reversed(steps):
            step()

        @app.post("/")
        def endpoint(lanes: Lanes) -> None:
            house.add_both(lanes)

        refuse(house)
        answer = house.client(app).post("/", headers={"origin": "https://shop.example"})
        assert answer.status_code == 503
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers["x-request-id"] == "7"

    def test_the_endpoint_ends_there(self, house: House) -> None:
        def session() -> Generator[None]:
            try:
                yield
                house.happened.append("commit")
            except Exception:
                house.happened.append("rollback")
                raise

        async def rows() -> AsyncIterator[bytes]:
            house.happened.append("row")
            yield b"row"

        @house.app.post("/")
        def endpoint(
            lanes: Lanes, background: BackgroundTasks, session: Annotated[None, Depends(session)]
        ) -> Response:
            house.add_both(lanes)
            background.add_task(house.happened.append, "FastAPI's own task")
            return StreamingResponse(rows())

        refuse(house)
        answer = asyncio.run(ask(house.app, "POST", "/"))
        assert (answer.status, answer.error) == (503, None)
        assert [message["type"] for message in answer.messages] == [
            "http.response.start",
            "http.response.body",
        ]
        assert house.happened == ["rollback"]

    def test_through_task_groups_of_a_mounted_app(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        child = FastAPI()

        async def passes(request: Request, call_next: Any) -> Any:
            return await call_next(request)

        child.add_middleware(BaseHTTPMiddleware, dispatch=passes)

        @child.post("/")
        def endpoint(lanes: Lanes) -> None:
            house.add_both(lanes)

        house.app.mount("/child", child)
        refuse(house)
        answer = asyncio.run(ask(house.app, "POST", "/child/"))
        assert (answer.status, answer.error) == (503, None)

    def test_groups_that_hold_only_the_refusal_are_one(self, house: House) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            house.add_both_in(scope)
            try:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            except Refused as refused:
                raise ExceptionGroup("by a task group", [ExceptionGroup("by another", [refused])]) from None

        house.app.mount("/", app)
        refuse(house)
        answer = asyncio.run(ask(house.app, "POST", "/"))
        assert (answer.status, answer.error) == (503, None)

    def test_one_who_swallows_the_end_cannot_answer_twice(self, house: House) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            house.add_both_in(scope)
            for message in (
                {"type": "http.response.start", "status": 200, "headers": []},
                {"type": "http.response.body", "body": b"yes"},
            ):
                try:
                    await send(message)
                except Refused:
                    house.happened.append("swallowed")

        house.app.mount("/", app)
        refuse(house)
        answer = asyncio.run(ask(house.app, "POST", "/"))
        assert (answer.status, len(answer.messages)) == (503, 2)
        assert house.happened == ["swallowed", "swallowed"]

    def test_a_request_that_is_cancelled_meanwhile_is_named(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            stuck = asyncio.Event()

            async def never(*args: Any) -> Any:
                stuck.set()
                await asyncio.Event().wait()

            house.runtime.sender.store = never  # type: ignore[method-assign]
            request = asyncio.create_task(ask(house.app, "POST", "/"))
            await stuck.wait()
            request.cancel()
            await asyncio.wait([request])

        @house.app.post("/")
        async def endpoint(lanes: Lanes) -> None:
            house.add_both(lanes)

        asyncio.run(main())
        lines = [each.getMessage() for each in caplog.records if each.name == "twolane.lanes"]
        assert "may be stored" in lines[0]
        assert lines[1].startswith("mail")
        assert house.happened == []


class TestAfterTheStart:
    def test_a_stream_that_breaks_takes_no_task_back(self, house: House) -> None:
        async def breaks() -> AsyncGenerator[bytes]:
            yield b"row"
            raise RuntimeError("in the stream")

        @house.app.post("/")
        def endpoint(lanes: Lanes) -> Response:
            house.add_both(lanes)
            return StreamingResponse(breaks())

        answer = asyncio.run(ask(house.app, "POST", "/"))
        assert answer.status == 200
        assert isinstance(answer.error, RuntimeError)
        house.assert_went()

    def test_a_request_that_is_cancelled_then_leaves_its_tasks_running(self, house: House) -> None:
        async def main() -> None:
            sent, gate = asyncio.Event(), asyncio.Event()

            async def endless() -> AsyncGenerator[bytes]:
                yield b"row"
                sent.set()
                await asyncio.Event().wait()

            @house.tasks.task(if_lost="ignore", name="waits")
            async def waits() -> None:
                await gate.wait()

            @house.app.post("/")
            def endpoint(lanes: Lanes) -> Response:
                house.add_both(lanes)
                lanes.add_task(waits)
                return StreamingResponse(endless())

            request = asyncio.create_task(ask(house.app, "POST", "/"))
            await sent.wait()
            request.cancel()
            await asyncio.wait([request], timeout=60)
            assert request.cancelled(), "and does not wait for them"
            assert house.lane.unfinished
            gate.set()
            await house.lane.drain(20.0)

        asyncio.run(main())
        assert house.stored_tasks() == ["load"]
        assert house.lane.done == {"mail": 1, "waits": 1}


def test_log_lines_never_show_arguments(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "twolane")

    @house.app.post("/{status}")
    def endpoint(status: int, lanes: Lanes) -> Response:
        lanes.add_task(house.mail, "s3cret")
        return Response(status_code=status)

    for status in (200, 400):
        house.client().post(f"/{status}")
    assert "mail" in caplog.text
    assert "s3cret" not in caplog.text
