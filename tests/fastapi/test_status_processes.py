"""Event streams of real servers: several processes over one queue file, signals, clients that vanish."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fastapi.servers import WAIT_S, Server
from tests.waiting import until
from twolane import Tasks
from twolane.contracts import queue as q

APP = "tests.fastapi.served_status:app"


class Shared:
    """The queue that the servers share, seen from the test's own process."""

    def __init__(self, folder: Path) -> None:
        self.address = f"sqlite:///{folder / 'queue.db'}"
        self.tasks = Tasks(queue=self.address, worker="off")
        self.load = self.tasks.task(if_lost="alert", name="load")(_load)
        self.servers: list[Server] = []

    def serve(self, workers: int = 1) -> Server:
        options = [] if workers == 1 else ["--workers", str(workers)]
        self.servers.append(server := Server(APP, *options, TWOLANE_QUEUE=self.address))
        for _ in options and range(workers):  # the parent says that it runs before any of them does
            server.hear("Application startup complete")
        return server

    def do(self, entry: q.Entry[Any]) -> Any:
        return self.tasks.runtime.batcher.ask_blocking(entry)

    def sent(self) -> str:
        return self.tasks.send_blocking(self.load).id

    def end_it(self) -> None:
        (delivery,) = self.do(q.Receive("w", ("default",), None, 1, 60.0))
        self.do(q.AckDelivery(delivery.receipt))

    def close(self) -> None:
        for server in self.servers:
            server.close()
        self.tasks.close()


def _load() -> None: ...


@pytest.fixture
def shared(tmp_path: Path) -> Generator[Shared]:
    made = Shared(tmp_path)
    yield made
    made.close()


def ask_for_events(connection: http.client.HTTPConnection, message_id: str) -> http.client.HTTPResponse:
    connection.request("GET", f"/imports/{message_id}", headers={"Accept": "text/event-stream"})
    return connection.getresponse()


def next_event(answer: http.client.HTTPResponse) -> Any:
    """What the next event says; None: the stream has ended."""
    while line := answer.readline():
        if line.startswith(b"data: "):
            return json.loads(line.removeprefix(b"data: "))
    return None


def test_every_process_reads_the_same_file(shared: Shared) -> None:
    """Each of many connections meets one of two processes; what happens, happens in a third."""
    message_id = shared.sent()
    server = shared.serve(workers=2)
    connections = [server.connect() for _ in range(12)]
    try:
        pids = set[bytes]()
        for connection in connections:
            connection.request("GET", "/pid")
            pids.add(connection.getresponse().read())
        answers = [ask_for_events(connection, message_id) for connection in connections]
        assert [next_event(answer)["state"] for answer in answers] == ["waiting"] * 12
        shared.end_it()
        for answer in answers:
            *_, last = iter(lambda: next_event(answer), None)  # noqa: B023  (used at once)
            assert last["state"] == "done"
    finally:
        for connection in connections:
            connection.close()
    assert len(pids) in (1, 2)  # the kernel deals the connections out


@pytest.mark.parametrize("workers", [1, 2])
def test_streams_end_at_once_at_a_shutdown(shared: Shared, workers: int) -> None:
    """uvicorn waits for requests without limit before it tells the lifespan: an hour here, if nobody told them."""
    message_id = shared.sent()
    server = shared.serve(workers)
    with closing(server.connect()) as one, closing(server.connect()) as two:
        answers = [ask_for_events(connection, message_id) for connection in (one, two)]
        for answer in answers:
            assert next_event(answer)["state"] == "waiting"
        server.signal(signal.SIGTERM)
        for answer in answers:
            assert next_event(answer) is None
    said = server.end()
    assert "lifespan of" in said
    assert "Traceback" not in said


def test_a_client_that_vanishes_leaves_nothing_behind(shared: Shared) -> None:
    message_id = shared.sent()
    server = shared.serve()
    (pid,) = {int(server.request("GET", "/pid"))}
    before = open_sockets(pid)
    for _ in range(5):
        connection = server.connect()
        assert next_event(ask_for_events(connection, message_id))["state"] == "waiting"
        connection.close()
    until(lambda: open_sockets(pid) <= before, "the sockets of those that left are closed", WAIT_S)
    server.connection.close()
    server.signal(signal.SIGTERM)
    server.end()  # or it would wait for an hour


def open_sockets(pid: int) -> int:
    """How many sockets a process has open; where the system tells."""
    files = Path(f"/proc/{pid}/fd")
    return sum(map(is_socket, files.iterdir())) if files.exists() else 0


def is_socket(file: Path) -> bool:
    try:
        return "socket:" in str(file.readlink())
    except FileNotFoundError:  # closed since it was listed
        return False
