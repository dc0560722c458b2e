"""Where alerts arrive in tests: a web inbox and a mail server of our own. Nothing leaves the machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WebInbox:
    """Takes what apprise posts to `json://`.

    Attributes:
        status: what it answers; 0: nothing, it hangs until it is closed or told otherwise.
        arrived: what it took, and what it heard while it answered something else.
    """

    def __init__(self, port: int = 0) -> None:
        self.status = 200
        self.arrived: list[dict[str, Any]] = []
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self._more = threading.Condition()
        self._free = threading.Event()
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = inbox.take(body)
                if status:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}"

    def take(self, body: dict[str, Any]) -> int:
        with self._more:
            status = self.status
            self.heard.append((time.monotonic(), body))
            if 200 <= status < 300:
                self.arrived.append(body)
            self._more.notify_all()
        if not status:
            self._free.wait()
        return status

    def until(self, count: int, within_s: float = 30.0) -> None:
        """Wait until so many were heard, taken or not."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.heard) >= count, within_s), self.heard

    def answer_from_now_on(self, status: int) -> None:
        """Answer so, and let go of who hangs."""
        self.status = status
        self._free.set()

    def texts(self) -> list[str]:
        """Title and text of what it took."""
        return [f"{each['title']}\n{each['message']}" for each in self.arrived]

    def close(self) -> None:
        self._free.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def web_inbox(port: int = 0) -> Iterator[WebInbox]:
    """A web inbox for the length of a test."""
    inbox = WebInbox(port)
    try:
        yield inbox
    finally:
        inbox.close()


class MailInbox:
    """A mail server's handler: keeps what arrives."""

    def __init__(self) -> None:
        self.arrived: list[EmailMessage] = []
        self.port = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.arrived.append(message)
        return "250 OK"

    @property
    def address(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=app@example.org&to=ops@example.org&mode=insecure"


@contextmanager
def mail_inbox() -> Iterator[MailInbox]:
    """A mail server for the length of a test."""
    import asyncio

    from aiosmtpd.smtp import SMTP

    inbox = MailInbox()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> asyncio.Server:
        return await loop.create_server(lambda: SMTP(inbox, loop=loop, hostname="localhost"), "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result()
    inbox.port = server.sockets[0].getsockname()[1]

    async def stop() -> None:
        server.close()
        await server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await loop.shutdown_asyncgens()

    try:
        yield inbox
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
