"""FastAPI itself in Lambda, by Mangum."""

from __future__ import annotations

import asyncio
import os

from fastapi import FastAPI
from mangum import Mangum
from shop import journal

from twolane import Lanes, Tasks, Ticket

tasks = Tasks(lambda_background="inline" if os.environ.get("INLINE") else None)
app = FastAPI()
tasks.install(app)


@tasks.task(if_lost="ignore", name="greets")
async def greets(name: str) -> None:
    await asyncio.to_thread(journal, "greets", name)  # the loop turns before it has ended


@tasks.task(if_lost="alert", name="note")
async def note(text: str) -> None: ...


@app.post("/people")
async def add(name: str, lanes: Lanes) -> Ticket:
    lanes.add_task(greets, name)
    return lanes.add_task(note, name)


handler = Mangum(app)
