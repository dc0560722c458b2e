"""An app with its lanes over a queue in memory that can be told to fail, and requests without a server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.clock import FakeClock
from twolane import Tasks
from twolane.backends.memory import MemoryBlobs, MemoryQueue
from twolane.contracts.queue import Entry, Outgoing, Send
from twolane.engine.ids import new_id
from twolane.engine.limits import Limits
from twolane.engine.runtime import Runtime, Stores
from twolane.fastapi.exchange import exchange_of
from twolane.fastapi.lanes import RequestLanes

SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"test")],
    "client": ("test", 1),
    "server": ("test", 80),
}


class FailingQueue(MemoryQueue):
    """A queue in memory.

    Attributes:
        refuses: what it answers to a send instead of storing it.
        breaks: what its flush raises, so that the outcome is unknown.
        flushed: told of each flush before it happens.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.refuses: Exception | None = None
        self.breaks: Exception | None = None
        self.flushed: list[str] = []

    def flush(self, entries: Sequence[Entry[Any]]) -> list[Any]:
        self.flushed.append("flush")
        if self.breaks is not None:
            raise self.breaks
        if self.refuses is not None:
            return [self.refuses if isinstance(each, Send) else None for each in entries]
        return super().flush(entries)


class House:
    """Tasks, an app that has them installed, and what became of what it was given."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = FakeClock()
        self.queue = FailingQueue(self.clock)
        self.blobs = MemoryBlobs(self.clock)
        self.tasks = Tasks()
        self.runtime = Runtime(
            self.tasks.registry,
            self.clock,
            lambda: Stores(self.queue, self.queue, self.blobs),
            new_id=new_id,
            limits=limits or Limits(),
            in_app=False,
            tells=False,  # nothing dies here
        )
        self.tasks.swap_runtime(self.runtime)
        self.lane = self.runtime.background
        self.app = FastAPI()
        self.tasks.install(self.app)
        self.happened: list[Any] = []

        @self.tasks.task(if_lost="ignore", name="mail")
        async def mail(to: str) -> None:
            self.happened.append(f"mail {to}")

        @self.tasks.task(if_lost="alert", name="load")
        def load(number: int) -> None: ...

        self.mail, self.load = mail, load

    def add_both(self, lanes: RequestLanes) -> None:
        """One task for each lane."""
        lanes.add_task(self.mail, "ada")
        lanes.add_task(self.load, 1)

    def add_both_in(self, scope: Any) -> None:
        """The same, in an app of bare ASGI."""
        self.add_both(RequestLanes(exchange_of(scope)))

    def assert_went(self) -> None:
        assert self.stored_tasks() == ["load"]
        assert "mail ada" in self.happened
        assert self.lane.done == {"mail": 1}
        assert self.lane.rolled_back == {}

    def assert_rolled_back(self) -> None:
        assert self.stored_tasks() == []
        assert "mail ada" not in self.happened
        assert self.lane.rolled_back == {"mail": 1, "load": 1}
        assert self.lane.unfinished == 0

    def client(self, app: FastAPI | None = None) -> TestClient:
        return TestClient(app or self.app, raise_server_exceptions=False)

    def stored(self) -> list[Outgoing]:
        return list(self.queue.messages())

    def stored_tasks(self) -> list[str]:
        return [message.task for message in self.stored()]


@dataclass
class Answer:
    """What a server would have seen of one request."""

    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    asked: int = 0
    error: BaseException | None = None

    @property
    def status(self) -> int | None:
        return next((m["status"] for m in self.messages if m["type"] == "http.response.start"), None)

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    app: Any,
    method: str,
    path: str,
    *,
    body: Iterable[bytes] = (),
    headers: dict[str, str] | None = None,
    happened: list[Any] | None = None,
) -> Answer:
    """One request over bare ASGI: counts what is read of the body and keeps what is sent, in order."""
    answer, chunks = Answer(), iter([*body, b""])
    scope = {
        **SCOPE,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in {"host": "test", **(headers or {})}.items()],
    }

    async def receive() -> dict[str, Any]:
        answer.asked += 1
        chunk = next(chunks, None)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": chunk != b""}

    async def send(message: dict[str, Any]) -> None:
        answer.messages.append(message)
        if happened is not None:
            happened.append(message["type"])

    try:
        await app(scope, receive, send)
    except Exception as error:  # noqa: BLE001  (a server logs it and goes on)
        answer.error = error
    return answer
