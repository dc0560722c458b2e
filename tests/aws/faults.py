"""A proxy before a local AWS that does to requests what networks and overloaded services do."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.aws.servers import Server

Fault = Callable[["Exchange"], None]
"""Does something to an exchange, or nothing."""


class Dropped(Exception):
    """The connection ends without an answer."""


@dataclass
class Exchange:
    """One request on its way.

    Attributes:
        operation: such as `SendMessageBatch`.
        body: what was asked.
        forward: brings it to the server; answers status and body.
        answer: what the client gets; None: what the server says.
    """

    operation: str
    body: bytes
    forward: Callable[[], tuple[int, bytes]]
    answer: tuple[int, bytes] | None = None


@dataclass
class Proxy:
    """Where it is, what went through it, and what it does.

    Attributes:
        server: as which clients see it.
        operations: what was asked, in order.
        faults: what it does, by operation; each is called for every request.
    """

    server: Server
    operations: list[str] = field(default_factory=list[str])
    faults: dict[str, Fault] = field(default_factory=dict[str, Fault])

    def count(self, operation: str) -> int:
        return self.operations.count(operation)


def drop_before(exchange: Exchange) -> None:
    """The request never arrives."""
    raise Dropped


def drop_after(exchange: Exchange) -> None:
    """It is carried out, and its answer is lost."""
    exchange.forward()
    raise Dropped


def fail(status: int, code: str, *, times: int | None = None) -> Fault:
    """AWS answers with an error, so many times; None: always."""
    left = [times]

    def fault(exchange: Exchange) -> None:
        if left[0] == 0:
            return
        if left[0] is not None:
            left[0] -= 1
        exchange.answer = (
            status,
            json.dumps({"__type": f"com.amazonaws#{code}", "message": "a test"}).encode(),
        )

    return fault


def change(edit: Callable[[dict[str, Any]], None]) -> Fault:
    """It is carried out, and the answer is another."""

    def fault(exchange: Exchange) -> None:
        status, body = exchange.forward()
        answer = json.loads(body)
        edit(answer)
        exchange.answer = (status, json.dumps(answer).encode())

    return fault


@contextmanager
def proxy(server: Server) -> Iterator[Proxy]:
    """A proxy before a server."""
    where = urlsplit(server.url)
    made = Proxy(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.operations.append(operation)

            def forward() -> tuple[int, bytes]:
                connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
                connection.request("POST", self.path, body, dict(self.headers))
                told = connection.getresponse()
                answer = told.status, told.read()
                connection.close()
                return answer

            exchange = Exchange(operation, body, forward)
            try:
                if operation in made.faults:
                    made.faults[operation](exchange)
                status, answer = exchange.answer or forward()
            except Dropped:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.server = Server(f"http://127.0.0.1:{httpd.server_port}", server.clock)
    try:
        yield made
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
