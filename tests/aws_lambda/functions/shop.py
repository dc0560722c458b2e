"""An app whose tasks run in Lambda: what they do stands in the file that JOURNAL names, a line each."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from tests.gates import pass_gate_async
from twolane import GiveUp, RetryLater, TaskContext, Tasks
from twolane.aws_lambda import door

tasks = Tasks()
door.LEAVE_S = float(os.environ.get("LEAVE_S", door.LEAVE_S))  # a busy machine is no sandbox of its own


def journal(*words: object) -> None:
    with open(os.environ["JOURNAL"], "a") as file:  # noqa: PTH123  (one write, appended)
        file.write(" ".join(str(word) for word in words) + "\n")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
    journal("lifespan-begins", os.getpid())
    yield {"pool": "the pool"}
    if ending := os.environ.get("LIFESPAN_ENDING"):
        raise RuntimeError(ending)
    journal("lifespan-ends", os.getpid())


app = FastAPI(lifespan=lifespan)
tasks.install(app)


@tasks.task(if_lost="alert", name="note")
async def note(text: str) -> str:
    journal("note", text[:20], os.getpid(), id(asyncio.get_running_loop()))
    return text[:20]


@tasks.task(if_lost="alert", name="note_sync")
def note_sync(ctx: TaskContext, text: str) -> None:
    journal("note_sync", text, ctx.state.pool, threading.current_thread().name)


@tasks.task(if_lost="alert", name="fails", max_attempts=3)
def fails(ctx: TaskContext) -> None:
    journal("fails", ctx.attempt)
    raise RuntimeError("no luck")


@tasks.task(if_lost="alert", name="later", max_attempts=3)
def later(ctx: TaskContext) -> None:
    journal("later", ctx.attempt)
    if ctx.attempt == 1:
        raise RetryLater(0)


@tasks.task(if_lost="alert", name="in_turn", group_by="{group}", max_attempts=20)
def in_turn(ctx: TaskContext, group: str, text: str, fails: int = 0) -> None:
    journal("in_turn", group, text, ctx.attempt)
    if ctx.attempt <= fails:
        raise RetryLater(0)
    if text == "poison":
        raise GiveUp("nobody can run it")


@tasks.task(if_lost="alert", name="gives_up")
def gives_up() -> None:
    journal("gives_up")
    raise GiveUp("there is no such customer")


@tasks.task(if_lost="alert", name="hangs", max_attempts=2)
def hangs() -> None:
    """Ends with the process, whatever it is told."""
    journal("hangs")
    threading.Event().wait()


@tasks.task(if_lost="alert", name="dies", max_attempts=2)
def dies(ctx: TaskContext) -> None:
    journal("dies", ctx.attempt)
    os.kill(os.getpid(), signal.SIGKILL)


@tasks.task(if_lost="alert", name="gated")
async def gated(gate: str) -> None:
    journal("gated", gate)
    await pass_gate_async(Path(gate))
    journal("passed", gate)


@tasks.task(if_lost="alert", name="sends_on")
async def sends_on(ctx: TaskContext, text: str) -> None:
    del ctx
    await tasks.send(note, text)
