import asyncio
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, UploadFile
from fastapi.responses import StreamingResponse

from tests.fastapi.house import Answer, House, ask

# Starlette before 0.50 leaves the closing of a half-read form's files to the garbage collector
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning"
)

FORM = {"content-type": "multipart/form-data; boundary=x"}
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
CHUNK = b"0123456789" * 10


def upload(house: House, path: str, chunks: int, **headers: str) -> Answer:
    """A form in chunks of 100 bytes."""
    body = [HEAD, *[CHUNK] * chunks, b"\r\n--x--\r\n"]
    return asyncio.run(ask(house.app, "POST", path, body=body, headers={**FORM, **headers}))


@pytest.fixture
def limited(house: House) -> House:
    @house.app.post("/", dependencies=[Depends(house.tasks.limit_body(1000))])
    async def endpoint(file: UploadFile) -> int | None:
        house.happened.append("endpoint")
        return file.size

    return house


def test_a_body_within_the_limit_passes(limited: House) -> None:
    answer = upload(limited, "/", 5)
    assert (answer.status, answer.json) == (200, 500)


def test_a_header_that_says_too_much_is_refused_before_anything_is_read(limited: House) -> None:
    answer = upload(limited, "/", 1000, **{"content-length": "100000"})
    assert (answer.status, answer.json) == (413, {"detail": "the body is larger than 1000 bytes"})
    assert answer.asked == 0
    assert limited.happened == []


def test_without_a_header_it_is_refused_before_it_is_all_read(limited: House) -> None:
    answer = upload(limited, "/", 1000)
    assert answer.status == 413
    assert answer.asked == 11  # chunks of 100 bytes
    assert limited.happened == []


def test_to_the_byte(house: House) -> None:
    @house.app.post("/", dependencies=[Depends(house.tasks.limit_body(10))])
    async def endpoint(request: Request) -> int:
        return len(await request.body())

    for size, status in ((9, 200), (10, 200), (11, 413)):
        assert asyncio.run(ask(house.app, "POST", "/", body=[b"x" * size])).status == status


def test_routes_without_a_mark_have_no_limit(limited: House) -> None:
    @limited.app.post("/free")
    async def free(file: UploadFile) -> int | None:
        return file.size

    assert upload(limited, "/free", 100).json == 10_000


@pytest.mark.parametrize("where", ["router", "included", "app", "nested", "sub-application", "smallest"])
def test_wherever_the_mark_is(where: str) -> None:
    house = House()
    mark, marks = (
        Depends(house.tasks.limit_body(1000)),
        {"dependencies": [Depends(house.tasks.limit_body(1000))]},
    )
    app = FastAPI(**marks) if where == "app" else FastAPI()
    router = APIRouter(**(marks if where == "router" else {}))

    def nested(_: None = mark) -> None: ...

    def smallest(_: None = mark, __: None = Depends(house.tasks.limit_body(9000))) -> None: ...

    own = {"nested": nested, "smallest": smallest, "sub-application": house.tasks.limit_body(1000)}.get(where)

    @router.post("/x", dependencies=[Depends(own)] if own else [])
    async def endpoint(file: UploadFile) -> int | None:
        return file.size

    if where == "sub-application":
        child = FastAPI()
        child.include_router(router)
        app.mount("/in", child)
    else:
        app.include_router(router, prefix="/in", **(marks if where == "included" else {}))
    house.tasks.install(app)
    house.app = app
    assert [upload(house, "/in/x", chunks).status for chunks in (5, 50)] == [200, 413]


def test_an_endpoint_that_reads_the_stream_itself(house: House) -> None:
    @house.app.post("/", dependencies=[Depends(house.tasks.limit_body(250))])
    async def endpoint(request: Request) -> None:
        async for chunk in request.stream():
            house.happened.append(len(chunk))

    assert asyncio.run(ask(house.app, "POST", "/", body=[CHUNK] * 5)).status == 413
    assert house.happened == [100, 100]


def test_an_endpoint_that_never_reads_is_asked_by_the_header(house: House) -> None:
    @house.app.post("/", dependencies=[Depends(house.tasks.limit_body(250))])
    async def endpoint() -> None: ...

    assert asyncio.run(ask(house.app, "POST", "/", headers={"content-length": "251"})).status == 413
    assert asyncio.run(ask(house.app, "POST", "/", headers={"content-length": "250"})).status == 200


def test_what_is_read_after_the_answer_has_started_is_not_refused(house: House) -> None:
    @house.app.post("/", dependencies=[Depends(house.tasks.limit_body(250))])
    async def endpoint(request: Request) -> StreamingResponse:
        async def echo() -> Any:
            async for chunk in request.stream():
                yield chunk

        return StreamingResponse(echo())

    answer = asyncio.run(ask(house.app, "POST", "/", body=[CHUNK] * 5))
    assert (answer.status, answer.error, len(answer.body)) == (200, None, 500)


def test_an_app_without_lanes_is_told(house: House) -> None:
    app = FastAPI()

    @app.post("/", dependencies=[Depends(house.tasks.limit_body(250))])
    async def endpoint() -> None: ...

    answer = asyncio.run(ask(app, "POST", "/"))
    assert "tasks.install(app)" in str(answer.error)
