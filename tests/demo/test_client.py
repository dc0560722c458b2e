"""The demo's HTTP client is one customer: the cookie of the first answer goes with the next request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from twolane.cli.demo.client import Client
from twolane.cli.demo.failure import DemoFailed


class Handler(BaseHTTPRequestHandler):
    cookies: list[str | None] = []  # noqa: RUF012  (each test makes its own class)

    def do_GET(self) -> None:
        self.cookies.append(self.headers["Cookie"])
        self.send_response(200 if self.path == "/" else 404)
        if self.headers["Cookie"] is None:
            self.send_header("Set-Cookie", "customer=abc-1; HttpOnly; Path=/; SameSite=lax")
        self.end_headers()
        self.wfile.write(b'{"rows": 1}')

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    handler = type("OwnHandler", (Handler,), {"cookies": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_cookie_is_kept(server: HTTPServer) -> None:
    client = Client(server.server_port)
    assert client.get("/") == client.get("/") == {"rows": 1}
    assert server.RequestHandlerClass.cookies == [None, "customer=abc-1"]


def test_a_refusal_is_said_with_its_answer(server: HTTPServer) -> None:
    with pytest.raises(DemoFailed, match=r'answered GET /nowhere with 404: \{"rows": 1\}'):
        Client(server.server_port).get("/nowhere")
