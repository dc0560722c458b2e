"""The app that test_status_processes.py serves: a worker elsewhere, a status router, a queue that processes share."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request

from twolane import Record, Tasks
from twolane.engine.limits import Limits
from twolane.wiring.opening import make_runtime

tasks = Tasks(worker="off")  # TWOLANE_QUEUE says where
# Streams do not close by themselves: one that ends was told to.
tasks.swap_runtime(make_runtime(tasks.registry, tasks.settings, Limits(stream_s=3600.0)))


@tasks.task(if_lost="alert", name="load")
def load() -> None: ...


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    yield
    os.write(1, f"lifespan of {os.getpid()} ends\n".encode())


def anybody(_request: Request, _record: Record) -> bool:
    return True


app = FastAPI(lifespan=lifespan)
tasks.install(app)
app.include_router(tasks.status_router(authorize=anybody), prefix="/imports")


@app.get("/pid")
async def pid() -> int:
    return os.getpid()
