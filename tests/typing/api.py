# pyright: reportUnnecessaryTypeIgnoreComment=true
"""User code that every type checker must accept, and lines that each must reject.

`make lint` checks it: an ignore that is not needed is an error too, so each of them is a rejection.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI, Request, UploadFile
from pydantic import BaseModel

from twolane import (
    Backoff,
    Blob,
    Death,
    GiveUp,
    Lanes,
    Record,
    SendUnknown,
    State,
    TaskContext,
    Tasks,
    Ticket,
    given,
)

tasks = Tasks()
app = FastAPI()
tasks.install(app)


class Order(BaseModel):
    number: int


@tasks.task(if_lost="ignore")
async def send_welcome_email(email: str) -> None: ...


@tasks.task(if_lost="ignore", name="clear", because="the next write clears it anyway")
def clear_cache(key: str, *, deep: bool = False) -> int:
    return len(key) + deep


@tasks.task(if_lost="alert", max_attempts=5, timeout_s=timedelta(minutes=2), backoff=Backoff(base_s=1.0))
def import_flights(ctx: TaskContext, upload: Blob, customer_id: int) -> str:
    ctx.checkpoint(ctx.cursor, done=1, total=upload.size_bytes)
    return ctx.id


@tasks.task(
    if_lost="alert", queue="orders", unique_key="{order}", group_by="{order}", give_up_on=(ValueError,)
)
async def ship(order: Order, note: str | None = None) -> None: ...


@tasks.task(if_lost="alert")
def without_arguments(ctx: TaskContext) -> None: ...


class Session:
    def add(self, order: Order) -> None: ...


def get_session(ctx: TaskContext) -> Iterator[Session]:
    assert_type(ctx.state, Any)
    yield Session()


@tasks.task(if_lost="alert")
def book(
    ctx: TaskContext, order: Order, session: Session = Depends(get_session), lanes: Lanes = given
) -> int:
    session.add(order)
    assert_type(lanes.add_task(clear_cache, "orders"), Ticket)
    return ctx.attempt


@tasks.task(if_lost="alert")
async def rebook(
    order: Order,
    session: Annotated[Session, Depends(get_session)] = given,
    *,
    lanes: Lanes = given,
    note: str = "",
) -> None:
    assert_type(session, Session)
    lanes.add_task(rebook, order, note="again")


def needs_lanes(lanes: Lanes) -> Ticket:
    return lanes.add_task(send_welcome_email, "ada@example.org")


class Audit:
    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes


@app.post("/subscribe")
async def subscribe(email: str, lanes: Lanes) -> None:
    lanes.add_task(send_welcome_email, email)
    lanes.add_task(send_welcome_email, email=email)
    lanes.add_task(clear_cache, "users", deep=True)


@app.post("/imports", status_code=202)
def create_import(file: UploadFile, customer_id: int, lanes: Lanes) -> Ticket:
    return lanes.add_task(import_flights, lanes.store(file), customer_id)


@app.post("/imports/large", dependencies=[Depends(tasks.limit_body(10_000_000))])
def create_large_import(
    audit: Annotated[Audit, Depends()], ticket: Annotated[Ticket, Depends(needs_lanes)], lanes: Lanes
) -> list[Ticket]:
    blob = lanes.store(b"a,b")
    return [
        ticket,
        audit.lanes.add_task(import_flights.options(delay_s=60), blob, customer_id=7),
        lanes.add_task(ship, Order(number=1)),
        lanes.add_task(ship.options(id="0192b5a0-0000-7000-8000-000000000000"), Order(number=1), "a note"),
        lanes.add_task(without_arguments),
        lanes.add_task(book, Order(number=1)),
        lanes.add_task(rebook.options(delay_s=1), order=Order(number=1), note="a note"),
    ]


async def allowed(request: Request, record: Record) -> bool:
    assert_type(record.sent_at, datetime)
    assert_type(record.finished_at, datetime | None)
    assert_type(record.state, State)
    return request.headers["x-user"] == record.unique_key


app.include_router(tasks.status_router(authorize=allowed), prefix="/imports")
app.include_router(tasks.status_router(authorize=lambda request, record: record.task == request.url.path))


@tasks.task(if_lost="alert", public_result=True)
def count(text: str) -> int:
    raise GiveUp("no text", public="Please send a text.")


def in_a_script(message_id: str) -> None:
    assert_type(tasks.record(message_id), Record | None)
    assert_type(tasks.cancel(message_id), Record | None)
    assert_type(tasks.send_blocking(count, "abc").status_url, str | None)


async def at_once(order: Order) -> None:
    assert_type(await tasks.send(ship, order), Ticket)
    assert_type(tasks.send_blocking(without_arguments), Ticket)
    try:
        await tasks.send(clear_cache, "users")
    except SendUnknown as error:
        assert_type(error.ids, tuple[str, ...])


async def called_directly(ctx: TaskContext, blob: Blob) -> None:
    assert_type(import_flights(ctx, blob, 7), str)
    assert_type(clear_cache("users"), int)
    assert_type(book(ctx, Order(number=1), Session()), int)
    await send_welcome_email("ada@example.org")


async def rejected(lanes: Lanes, ctx: TaskContext, blob: Blob) -> None:
    lanes.add_task(send_welcome_email, 7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lanes.add_task(send_welcome_email)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lanes.add_task(send_welcome_email, "a", "b")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lanes.add_task(send_welcome_email, mail="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lanes.add_task(clear_cache, "users", True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lanes.add_task(import_flights, blob, "7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lanes.add_task(import_flights, ctx, blob, 7)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    lanes.add_task(import_flights, b"bytes", 7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lanes.add_task(book, "1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lanes.add_task(book, ctx, Order(number=1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lanes.add_task(rebook)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lanes.add_task(without_arguments, ctx)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lanes.add_task(ship.options(delay_s=1), 7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lanes.add_task(len, "abc")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await tasks.send(ship, "order")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    tasks.send_blocking(import_flights, blob)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    import_flights(blob, 7)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]


def says_nothing(request: Request, record: Record) -> None: ...


@tasks.on_death
def on_death(death: Death) -> None:
    assert_type(death.died_at, datetime)


@tasks.on_death
async def on_death_async(death: Death) -> None: ...


def takes_nothing() -> None: ...


def rejected_hooks() -> None:
    tasks.on_death(takes_nothing)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    tasks.on_death(7)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


def rejected_routers() -> None:
    tasks.status_router()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    tasks.status_router(authorize=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    tasks.status_router(authorize=says_nothing)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def rejected_definitions(function: Any) -> None:
    tasks.task(if_lost="ignore", public_result=True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    tasks.task()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    tasks.task(if_lost="never")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    tasks.task(if_lost="ignore", max_attempts=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    tasks.task(if_lost="ignore", queue="imports")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    tasks.task(if_lost="ignore", backoff=Backoff())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    tasks.task(if_lost="ignore", timeout_s=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    tasks.task(if_lost="ignore", group_by="{a}")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    tasks.task(if_lost="ignore", unique_key="{a}")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    tasks.task(if_lost="alert", max_attempts="5")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
