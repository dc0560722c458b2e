"""Tasks whose messages are walked through their states by hand, and an app with a status router for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from tests.fastapi.house import SCOPE
from twolane import Record, TaskContext, Tasks
from twolane.contracts import queue as q
from twolane.engine.limits import Limits
from twolane.engine.runtime import Runtime
from twolane.values.outcome import Failure, Reason
from twolane.wiring.opening import make_runtime

FAILURE = Failure("ValueError", "the database password is hunter2", "Traceback of ours", 1.0, 2.0)
HELD_S = 600.0


class Watched:
    """An app with a status router at /imports over a real SQLite file, and no worker but the test.

    Attributes:
        says: what `authorize` answers or raises.
        asked: the records that it was asked about.
    """

    def __init__(self, folder: Path, *, limits: Limits | None = None) -> None:
        self.file = folder / "queue.db"
        self.tasks = Tasks(queue=f"sqlite:///{self.file}", worker="off")
        self.tasks.swap_runtime(make_runtime(self.tasks.registry, self.tasks.settings, limits))
        self.says: Any = True
        self.asked: list[Record] = []
        self.app = FastAPI()
        self.tasks.install(self.app)
        self.app.include_router(self.tasks.status_router(authorize=self.authorize), prefix="/imports")
        self.client = TestClient(self.app, raise_server_exceptions=False)

        @self.tasks.task(if_lost="alert", name="load")
        def load(ctx: TaskContext, secret: str) -> None: ...

        @self.tasks.task(if_lost="alert", name="shown", public_result=True)
        def shown(secret: str) -> None: ...

        self.load, self.shown = load, shown

    @property
    def runtime(self) -> Runtime:
        return self.tasks.runtime

    def authorize(self, request: Request, record: Record) -> bool:
        self.asked.append(record)
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says(request, record) if callable(self.says) else self.says

    def sent(self, *, shown: bool = False) -> str:
        """A message that waits."""
        return self.tasks.send_blocking(self.shown if shown else self.load, "an argument").id

    def do(self, entry: Any) -> Any:
        return self.runtime.batcher.ask_blocking(entry)

    def received(self) -> str:
        """The receipt of the message that waits, which runs now."""
        (delivery,) = self.do(q.Receive("w1", ("default",), None, 1, HELD_S))
        return delivery.receipt

    def running(self, *, shown: bool = False) -> tuple[str, str]:
        """A message that runs, and its receipt."""
        return self.sent(shown=shown), self.received()

    def progress(self, receipt: str, done: float) -> None:
        self.do(q.SaveCheckpoint(receipt, {"cursor": "c"}, done, 100.0))

    def done(self, result: Any = None, *, shown: bool = False) -> str:
        message_id, receipt = self.running(shown=shown)
        self.do(q.AckDelivery(receipt, result))
        return message_id

    def dead(self, public: str | None = None) -> str:
        message_id, receipt = self.running()
        self.do(q.DeadLetterDelivery(receipt, Reason.GAVE_UP, FAILURE, public))
        return message_id

    def get(self, message_id: str, **headers: str) -> Any:
        return self.client.get(f"/imports/{message_id}", headers=headers)

    def json(self, message_id: str) -> Any:
        answer = self.get(message_id)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self) -> None:
        self.client.close()
        self.tasks.close()


class Stream:
    """An event stream of an app without a server: what it sent until now, and a client that may leave."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""
        self.sent = asyncio.Condition()
        self.leaves = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.over = False

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the `status` events said."""
        lines = self.text.splitlines()
        return [
            json.loads(lines[at + 1].removeprefix("data: "))
            for at, line in enumerate(lines)
            if line == "event: status"
        ]

    async def until(self, holds: Callable[[Stream], bool]) -> None:
        async with asyncio.timeout(20), self.sent:
            await self.sent.wait_for(lambda: holds(self))

    async def receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        async with self.sent:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                self.text += message["body"].decode()
                self.over = not message.get("more_body", False)
            self.sent.notify_all()


@asynccontextmanager
async def opened(app: Any, path: str, **headers: str) -> AsyncGenerator[Stream]:
    """Open an event stream; at the end the client leaves, if it has not yet, and the app must have returned."""
    stream = Stream()
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {**SCOPE, "method": "GET", "path": path, "raw_path": path.encode(), "headers": pairs, "state": {}}
    call = asyncio.create_task(app(scope, stream.receive, stream.send))
    try:
        yield stream
    finally:
        stream.leaves.set()
        stream.reads.set()
        async with asyncio.timeout(20):
            await call
