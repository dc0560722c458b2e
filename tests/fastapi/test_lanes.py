import asyncio
import io
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Response, UploadFile, WebSocket
from fastapi.responses import StreamingResponse

from tests.fastapi.house import House, ask
from twolane import ArgumentsRefused, Blob, Lanes, TaskContext, Tasks, Ticket, UsageError
from twolane.engine.limits import Limits
from twolane.fastapi.lanes import RequestLanes
from twolane.values.blob import BlobRef
from twolane.values.message import decode


def raised(house: House, app: FastAPI | None = None, method: str = "POST") -> str:
    """What the endpoint at / raises."""
    answer = asyncio.run(ask(app or house.app, method, "/"))
    assert answer.error is not None
    return f"{type(answer.error).__name__}: {answer.error}"


class TestAddTask:
    def test_gives_tickets_that_fastapi_turns_into_json(self, house: House) -> None:
        @house.app.post("/{lane}")
        def endpoint(lane: str, lanes: Lanes) -> Ticket:
            return lanes.add_task(house.load, 1) if lane == "queue" else lanes.add_task(house.mail, "ada")

        ticket = house.client().post("/queue").json()
        assert ticket == {"id": house.stored()[0].id, "task": "load", "lane": "queue", "status_url": None}
        ticket = house.client().post("/background").json()
        assert ticket == {"id": ticket["id"], "task": "mail", "lane": "background", "status_url": None}

    def test_arguments_are_checked_in_the_endpoint(self, house: House) -> None:
        @house.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            for add in (
                lambda: lanes.add_task(house.load, "no number"),  # type: ignore[arg-type]
                lambda: lanes.add_task(house.load),  # type: ignore[call-arg]
                lambda: lanes.add_task(house.mail),  # type: ignore[call-arg]
                lambda: lanes.add_task(house.mail, "a", "b"),  # type: ignore[call-arg]
            ):
                with pytest.raises(ArgumentsRefused):
                    add()

        assert house.client().post("/").status_code == 200
        assert house.stored() == []

    def test_the_context_is_no_part_of_the_call(self, house: House) -> None:
        @house.tasks.task(if_lost="alert", name="with_context")
        def with_context(ctx: TaskContext, number: int) -> None: ...

        @house.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            lanes.add_task(with_context, number=3)

        assert house.client().post("/").status_code == 200
        assert '"args":{"number":3}' in house.stored()[0].body

    def test_an_undecorated_function_is_told_the_line_to_add(self, house: House) -> None:
        def plain() -> None: ...

        @house.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            lanes.add_task(plain)  # type: ignore[arg-type]

        assert "plain is no task yet" in raised(house)
        assert '@tasks.task(if_lost="ignore")' in raised(house)

    def test_a_task_of_other_tasks_is_refused(self, house: House) -> None:
        @Tasks().task(if_lost="ignore")
        def foreign() -> None: ...

        @house.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            lanes.add_task(foreign)

        assert "belongs to another Tasks" in raised(house)

    def test_options_of_one_send(self, house: House) -> None:
        number = str(uuid4())

        @house.app.post("/")
        def endpoint(lanes: Lanes) -> Ticket:
            return lanes.add_task(house.load.options(id=number, delay_s=60), 1)

        assert house.client().post("/").json()["id"] == number
        assert house.client().post("/").json()["id"] == number
        assert [message.delay_s for message in house.stored()] == [60]

    def test_a_known_id_with_other_arguments_is_refused(self, house: House) -> None:
        number = str(uuid4())

        @house.app.post("/{argument}")
        def endpoint(argument: int, lanes: Lanes) -> Ticket:
            return lanes.add_task(house.load.options(id=number), argument)

        assert [house.client().post(f"/{each}").status_code for each in (1, 1, 2)] == [200, 200, 503]
        assert len(house.stored()) == 1

    def test_a_taken_unique_key_is_logged_with_the_stored_id(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "twolane.send")

        @house.app.post("/")
        def endpoint(lanes: Lanes) -> Ticket:
            return lanes.add_task(house.load.options(unique_key="one"), 1)

        first, second = (house.client().post("/").json()["id"] for _ in range(2))
        assert first != second
        assert f"load {second} is stored already as {first}: nothing was added" in caplog.messages

    def test_is_safe_from_threads_of_a_sync_endpoint(self, house: House) -> None:
        together = threading.Barrier(8)

        def add(lanes: Lanes) -> None:
            together.wait(20)
            for _ in range(50):
                house.add_both(lanes)

        @house.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            with ThreadPoolExecutor(8) as threads:
                list(threads.map(add, [lanes] * 8))

        assert house.client().post("/").status_code == 200
        assert len(house.stored()) == 400
        assert house.lane.done == {"mail": 400}

    def test_two_requests_at_once_do_not_share_a_batch(self, house: House) -> None:
        both: list[asyncio.Barrier] = []

        @house.app.post("/{status}")
        async def endpoint(status: int, lanes: Lanes) -> Any:
            lanes.add_task(house.load, status)
            await both[0].wait()
            return Response(status_code=status)

        async def main() -> None:
            both.append(asyncio.Barrier(2))
            await asyncio.gather(ask(house.app, "POST", "/202"), ask(house.app, "POST", "/409"))

        asyncio.run(main())
        assert ['"number":202' in message.body for message in house.stored()] == [True]


class TestTooLate:
    """Where no answer is still to come, `add_task` raises and names `tasks.send`."""

    def test_in_a_websocket(self, house: House) -> None:
        @house.app.websocket("/")
        async def endpoint(websocket: WebSocket, lanes: Lanes) -> None:
            await websocket.accept()
            for task, argument in ((house.load, 1), (house.mail, "ada")):
                with pytest.raises(UsageError, match=r"in a WebSocket.*await tasks\.send"):
                    lanes.add_task(task, argument)  # type: ignore[arg-type]
            await house.tasks.send(house.load, 7)
            await websocket.send_text("done")

        with house.client().websocket_connect("/") as socket:
            assert socket.receive_text() == "done"
        assert len(house.stored()) == 1

    @pytest.mark.parametrize("is_async", [True, False])
    def test_in_the_body_of_a_stream(self, house: House, is_async: bool) -> None:
        async def rows_async(lanes: Lanes) -> AsyncGenerator[bytes]:
            yield b"row"
            lanes.add_task(house.load, 1)

        def rows(lanes: Lanes) -> Iterator[bytes]:
            yield b"row"
            lanes.add_task(house.load, 1)

        @house.app.post("/")
        def endpoint(lanes: Lanes) -> StreamingResponse:
            return StreamingResponse(rows_async(lanes) if is_async else rows(lanes))

        assert "after the response has started" in raised(house)
        assert "await tasks.send(...)" in raised(house)

    def test_in_a_background_task_of_either_kind(self, house: House) -> None:
        def late(lanes: RequestLanes) -> None:
            with pytest.raises(UsageError, match="after the response has started"):
                lanes.add_task(house.mail, "late")
            house.happened.append("refused")

        task = house.tasks.task(if_lost="ignore", name="late")(late)

        @house.app.post("/")
        def endpoint(lanes: Lanes, background: BackgroundTasks) -> None:
            background.add_task(late, lanes)
            lanes.add_task(task, lanes)

        assert house.client().post("/").status_code == 200
        assert house.happened == ["refused", "refused"]

    def test_in_the_exit_of_a_request_scoped_dependency(self, house: House) -> None:
        def session(lanes: Lanes) -> Iterator[None]:
            yield
            lanes.add_task(house.mail, "late")

        @house.app.post("/")
        def endpoint(session: Annotated[None, Depends(session)]) -> None: ...

        assert "after the response has started" in raised(house)

    def test_the_exit_of_a_function_scoped_one_is_not_too_late(self, house: House) -> None:
        def session(lanes: Lanes) -> Iterator[None]:
            yield
            house.add_both(lanes)

        @house.app.post("/")
        def endpoint(session: Annotated[None, Depends(session, scope="function")]) -> None: ...

        assert house.client().post("/").status_code == 200
        house.assert_went()

    def test_without_install(self, house: House) -> None:
        app = FastAPI()

        @app.post("/")
        def endpoint(lanes: Lanes) -> None: ...

        assert "tasks.install(app)" in raised(house, app)


class TestSendAtOnce:
    def test_goes_whatever_the_answer_is(self, house: House) -> None:
        @house.app.post("/", status_code=401)
        async def endpoint(lanes: Lanes) -> None:
            house.add_both(lanes)
            await house.tasks.send(house.load, 2)

        assert house.client().post("/").status_code == 401
        assert ['"number":2' in message.body for message in house.stored()] == [True]

    def test_a_background_task_starts_at_once_in_a_running_app(self, house: House) -> None:
        @house.app.post("/", status_code=401)
        async def endpoint() -> Ticket:
            return await house.tasks.send(house.mail, "ada")

        with house.client() as client:
            assert client.post("/").json()["lane"] == "background"
        assert house.happened == ["mail ada"]
        assert house.lane.done == {"mail": 1}

    def test_a_background_task_needs_a_running_app(self, house: House) -> None:
        with pytest.raises(UsageError, match="no event loop"):
            house.tasks.send_blocking(house.mail, "ada")
        with pytest.raises(UsageError, match="none has been started"):
            asyncio.run(house.tasks.send(house.mail, "ada"))

    def test_blocking_for_scripts(self, house: House) -> None:
        ticket = house.tasks.send_blocking(house.load, 1)
        assert [message.id for message in house.stored()] == [ticket.id]


class TestStore:
    @pytest.fixture
    def small(self) -> House:
        small = House(Limits(upload_bytes=10))

        def read(blob: Blob) -> None: ...

        small.read = small.tasks.task(if_lost="alert", name="read")(read)  # type: ignore[attr-defined]
        return small

    def blob_of(self, house: House) -> tuple[bytes, str]:
        (message,) = house.stored()
        ref = BlobRef.from_json((decode(message.body).args or {})["blob"])
        with house.blobs.open(ref) as file:
            return file.read(), ref.name

    def test_an_upload(self, small: Any) -> None:
        @small.app.post("/")
        def endpoint(file: UploadFile, lanes: Lanes) -> Ticket:
            return lanes.add_task(small.read, lanes.store(file))

        client = small.client()
        assert client.post("/", files={"file": ("a.csv", b"0123456789")}).status_code == 200
        assert self.blob_of(small) == (b"0123456789", "a.csv")
        assert client.post("/", files={"file": ("a.csv", b"0123456789x")}).status_code == 413
        assert len(small.stored()) == 1

    @pytest.mark.parametrize("kind", ["bytes", "path", "file"])
    def test_bytes_a_path_and_a_file(self, small: Any, tmp_path: Path, kind: str) -> None:
        (tmp_path / "a.csv").write_bytes(b"path")
        source = {"bytes": b"bytes", "path": tmp_path / "a.csv", "file": io.BytesIO(b"file")}[kind]

        @small.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            lanes.add_task(small.read, lanes.store(source))

        assert small.client().post("/").status_code == 200
        assert self.blob_of(small) == (kind.encode(), "a.csv" if kind == "path" else "")

    def test_nothing_is_stored_for_an_answer_that_says_no(self, small: Any) -> None:
        @small.app.post("/", status_code=409)
        def endpoint(lanes: Lanes) -> None:
            lanes.add_task(small.read, lanes.store(b"bytes"))

        assert small.client().post("/").status_code == 409
        assert list(small.blobs.stored()) == []

    def test_what_is_no_source(self, small: Any) -> None:
        @small.app.post("/")
        def endpoint(lanes: Lanes) -> None:
            lanes.store(7)

        assert "lanes.store takes an UploadFile, bytes, a path or a binary file" in raised(small)
