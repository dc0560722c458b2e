"""The app that the worker processes of these tests run: each task writes down what it does, and waits when told."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI

from tests.gates import pass_gate, pass_gate_async
from twolane import Backoff, Lanes, TaskContext, Tasks, given
from twolane.engine.limits import Limits
from twolane.wiring.opening import make_runtime

FOLDER = Path(os.environ["TWOLANE_TEST_FOLDER"])
NOW = Backoff(base_s=0.0)
tasks = Tasks(worker="off")
if "POLL_S" in os.environ:
    tasks.swap_runtime(
        make_runtime(tasks.registry, tasks.settings, Limits(poll_s=float(os.environ["POLL_S"])))
    )
pool: list[asyncio.AbstractEventLoop] = []


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
    write("lifespan", "enters")
    pool.append(asyncio.get_running_loop())
    yield {"pool": "the-pool"}
    write("lifespan", "exits")


app = FastAPI(lifespan=lifespan)
tasks.install(app)


def write(*words: object) -> None:
    """One line of the journal: the process first."""
    fd = os.open(FOLDER / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (" ".join(map(str, (os.getpid(), *words))) + "\n").encode())
    os.close(fd)


def wait_for(gate: str) -> None:
    pass_gate(FOLDER / gate)


@tasks.task(if_lost="alert", name="note")
def note(text: str) -> None:
    write("note", text)


@tasks.task(if_lost="alert", name="on_the_pool")
async def on_the_pool() -> bool:
    return pool == [asyncio.get_running_loop()]


@tasks.task(if_lost="alert", name="gated", queue="gated")
def gated(gate: str) -> None:
    write("begin", gate)
    wait_for(gate)
    write("end", gate)


@tasks.task(if_lost="alert", name="gated_async")
async def gated_async(gate: str) -> None:
    write("begin", gate)
    try:
        await pass_gate_async(FOLDER / gate)
    finally:
        write("end", gate)


@tasks.task(if_lost="alert", name="holds_the_loop")
async def holds_the_loop(gate: str) -> None:
    write("begin", gate)
    wait_for(gate)


@tasks.task(if_lost="alert", name="kills_its_process", max_attempts=2, backoff=NOW)
def kills_its_process() -> None:
    write("kills")
    os.kill(os.getpid(), signal.SIGKILL)


@tasks.task(if_lost="alert", name="stuck", max_attempts=1, timeout_s=0.2)
def stuck() -> None:
    write("stuck")
    threading.Event().wait()


@tasks.task(if_lost="alert", name="slow_async", max_attempts=1, timeout_s=0.2)
async def slow_async() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        write("cancelled")


@tasks.task(if_lost="alert", name="slow_with_checkpoints", max_attempts=1, timeout_s=0.2)
def slow_with_checkpoints(ctx: TaskContext) -> None:
    try:
        while True:
            ctx.checkpoint(1)
            time.sleep(0.005)
    finally:
        write("interrupted")


@tasks.task(if_lost="ignore", name="background")
async def background(gate: str) -> None:
    write("begin", gate)
    await asyncio.Event().wait()


@tasks.task(if_lost="alert", name="starts_background")
async def starts_background(gate: str) -> None:
    await tasks.send(background, gate)


def session(ctx: TaskContext) -> Iterator[str]:
    yield ctx.state.pool
    write("closed", ctx.id)


def replaced() -> str:
    raise AssertionError("an override of the app stands for it")


app.dependency_overrides[replaced] = lambda: "the-override"


@tasks.task(if_lost="ignore", name="after")
async def after(text: str) -> None:
    write("after", text)


@tasks.task(if_lost="alert", name="sends")
def sends(
    text: str,
    session: Annotated[str, Depends(session)] = given,
    by: str = Depends(replaced),
    lanes: Lanes = given,
) -> list[str]:
    lanes.add_task(note, text)
    lanes.add_task(after, text)
    return [session, by]


@tasks.task(if_lost="alert", name="goes_on")
def goes_on(ctx: TaskContext) -> None:
    for number in range(1, 1_000_000):
        ctx.checkpoint(number, done=number)
        if number == 1:
            write("goes_on")
        time.sleep(0.005)
