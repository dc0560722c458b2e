"""The app that test_shutdown.py serves: says what happens on stdout, waits for a line on stdin."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse

from tests.gates import await_word, await_word_async
from twolane import Lanes, Tasks
from twolane.backends.memory import MemoryBlobs, MemoryQueue
from twolane.engine.ids import new_id
from twolane.engine.limits import Limits
from twolane.engine.runtime import Runtime, Stores
from twolane.wiring.clock import SystemClock

CLOCK = SystemClock()
tasks = Tasks()
queue = MemoryQueue(CLOCK)
runtime = Runtime(
    tasks.registry,
    CLOCK,
    lambda: Stores(queue, queue, MemoryBlobs(CLOCK)),
    new_id=new_id,
    limits=Limits(grace_s=float(os.environ["GRACE_S"])),
    in_app=False,
)
tasks.swap_runtime(runtime)
STDIN = sys.stdin.fileno()
if "LOGGING" not in os.environ:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(name)s: %(message)s")
logging.getLogger("twolane.send").setLevel(logging.WARNING)
stop_begins = asyncio.Event()
begin_stop = runtime.begin_stop


def begin_stop_and_tell() -> None:
    begin_stop()
    stop_begins.set()


runtime.begin_stop = begin_stop_and_tell  # type: ignore[method-assign]


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def waits_async() -> None:
    say("waits_async begins")
    try:
        await await_word_async(STDIN)
    except asyncio.CancelledError:
        say("waits_async is cancelled")
        raise
    say("waits_async ends")


def waits() -> None:
    say("waits begins")
    try:
        await_word(STDIN)
        say("waits ends")
    finally:
        say("waits's finally")


async def holds() -> None:
    """Holds the event loop."""
    say("holds begins")
    await_word(STDIN)
    say("holds ends")


def after() -> None:
    say("after ran")


WORK = {"async": waits_async, "sync": waits, "holding": holds}
WORK_TASKS = {kind: tasks.task(if_lost="ignore", name=fn.__name__)(fn) for kind, fn in WORK.items()}
after_task = tasks.task(if_lost="ignore", name="after")(after)
held = set[object]()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    yield
    lane = runtime.background
    say(f"lifespan ends: done {sorted(lane.done)}, lost {sorted(lane.lost)}")


app = FastAPI(lifespan=lifespan)
tasks.install(app)


@app.post("/fastapi/{kind}")
async def fastapi_own(kind: str, background: BackgroundTasks) -> None:
    background.add_task(WORK[kind])
    background.add_task(after)


@app.post("/twolane/{kind}")
async def twolane_own(kind: str, lanes: Lanes) -> None:
    lanes.add_task(WORK_TASKS[kind])
    lanes.add_task(after_task)


@app.post("/create_task")
async def create_task() -> None:
    held.add(asyncio.create_task(waits_async()))


@app.post("/send")
async def send() -> None:
    await tasks.send(WORK_TASKS["async"])


@app.get("/events")
async def events() -> StreamingResponse:
    async def until_the_stop() -> AsyncGenerator[bytes]:
        yield b"open\n"
        await stop_begins.wait()
        assert runtime.background.stops
        say("the stream heard of the stop")
        yield b"closed\n"

    return StreamingResponse(until_the_stop())


@app.get("/ping")
def ping() -> str:
    return "pong"
