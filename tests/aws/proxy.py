"""A proxy before a local AWS, which counts requests and has faults befall them: in this process, or as one of its own.

with proxy(server) as between:           python -m tests.aws.proxy http://127.0.0.1:4566 --seed 7 --chance 0.02
    between.faults["SendMessageBatch"] = drop_after      (prints its URL; GET /_faults tells, PUT /_faults sets)
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.aws.bodies import read_whole
from tests.aws.faults import Answer, Chances, Dropped, Exchange, Fault, Weather, delay
from tests.aws.servers import Server

CONTROL = "/_faults"
"""No bucket can have this name."""
REUSED_S = 1.0
"""A connection to the server that rested for longer is not used again: the server may have ended it."""
_HOP = frozenset(["connection", "content-length", "keep-alive", "transfer-encoding"])


@dataclass
class Proxy:
    """Where it is, what went through it, and what it does.

    Attributes:
        server: as which clients see it.
        operations: what was asked, in order.
        faults: what it does, by operation; each is called for every request.
        weather: what it does to any request that has no fault of its own; None: nothing.
        slow_s: every answer comes so much later, in seconds.
    """

    server: Server
    operations: list[str] = field(default_factory=list[str])
    faults: dict[str, Fault] = field(default_factory=dict[str, Fault])
    weather: Weather | None = None
    slow_s: float = 0.0

    def count(self, operation: str) -> int:
        """How many requests of an operation were made."""
        return self.operations.count(operation)

    def told(self) -> dict[str, Any]:
        """What `GET /_faults` answers: requests and misdeeds by operation."""
        dealt = {} if self.weather is None else dict(self.weather.dealt)
        return {"counts": dict(Counter(self.operations)), "dealt": dealt}

    def set(self, wanted: dict[str, Any]) -> None:
        """What `PUT /_faults` takes: `seed`, `chances`, `only`, `slow_s`; without a seed the weather is calm."""
        self.slow_s = float(wanted.get("slow_s", 0.0))
        seed = wanted.get("seed")
        chances, only = Chances(**wanted.get("chances", {})), frozenset(wanted.get("only", ()))
        self.weather = None if seed is None else Weather(seed, chances, only)

    def befall(self, exchange: Exchange) -> Answer:
        """Bring an exchange to its end.

        Raises:
            Dropped: there is no answer.
        """
        self.operations.append(exchange.operation)
        if self.slow_s:
            delay(self.slow_s)(exchange)
        fault = self.faults.get(exchange.operation, self.weather)
        if fault is not None:
            fault(exchange)
        return exchange.answer or exchange.forward(exchange.body)


@contextmanager
def proxy(server: Server, port: int = 0) -> Iterator[Proxy]:
    """A proxy before a server, in threads of this process."""
    made = Proxy(server)
    httpd = _Listener(port, made)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.server = replace(server, url=f"http://127.0.0.1:{httpd.server_port}")
    try:
        yield made
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


class Remote:
    """A proxy that is a process of its own, so that its work is not the client's.

    Attributes:
        server: as which clients see it.
    """

    def __init__(self, server: Server) -> None:
        self.server = server

    def set(self, **wanted: Any) -> None:
        """As `Proxy.set`."""
        self._ask("PUT", json.dumps(wanted).encode())

    def told(self) -> dict[str, Any]:
        """As `Proxy.told`; from the start, or from the last `set`."""
        return dict(json.loads(self._ask("GET")))

    def _ask(self, method: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.server.url}{CONTROL}", data=body, method=method)  # noqa: S310  (a port of this machine)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return bytes(answer.read())


@contextmanager
def proxy_process(server: Server) -> Iterator[Remote]:
    """A proxy before a server, in a process of its own; the weather is calm until it is set."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.aws.proxy", server.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    assert process.stdout is not None
    try:
        yield Remote(replace(server, url=process.stdout.readline().strip()))
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, made: Proxy) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.made = made
        self.where = urlsplit(made.server.url)

    def handle_error(self, *_: Any) -> None:
        """A client that was killed in the middle, or a server that was, is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*_)


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.upstream: http.client.HTTPConnection | None = None
        self.used_at = 0.0

    def finish(self) -> None:
        super().finish()
        if self.upstream is not None:
            self.upstream.close()

    def handle_any(self) -> None:
        body = read_whole(self.rfile, int(self.headers.get("Content-Length") or 0))
        if self.path == CONTROL:
            self.control(body)
            return
        service, _, operation = self.headers.get("X-Amz-Target", "").rpartition(".")
        exchange = Exchange(operation or self.named(), service, body, self.forward)
        try:
            answer = self.server.made.befall(exchange)
        except Dropped:
            self.close_connection = True
        else:
            self.reply(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815  (http.server's names)

    def named(self) -> str:
        """What S3 calls it, more or less: the method, and what it is about."""
        parts = urlsplit(self.path)
        about = "part" if "partNumber" in parse_qs(parts.query) else "object"
        return f"{self.command} {about if parts.path.strip('/').count('/') else 'bucket'}"

    def forward(self, body: bytes) -> Answer:
        if self.upstream is None or time.monotonic() - self.used_at > REUSED_S:
            if self.upstream is not None:
                self.upstream.close()
            where = self.server.where
            self.upstream = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        self.upstream.request(self.command, self.path, body, headers)
        told = self.upstream.getresponse()
        kept = tuple((name, value) for name, value in told.getheaders() if name.lower() not in _HOP)
        length = told.getheader("Content-Length") if self.command == "HEAD" else None
        answer = Answer(told.status, told.read(), kept, None if length is None else int(length))
        self.used_at = time.monotonic()
        return answer

    def reply(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        length = len(answer.body) if answer.length is None else answer.length
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()
        self.close_connection |= length > len(answer.body) and self.command != "HEAD"

    def control(self, body: bytes) -> None:
        if self.command == "PUT":
            self.server.made.operations.clear()
            self.server.made.set(json.loads(body))
        self.reply(Answer(200, json.dumps(self.server.made.told()).encode()))

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.aws.proxy")
    parser.add_argument("url", help="where the server is")
    parser.add_argument("--port", type=int, default=0, help="where to listen; any by default")
    parser.add_argument("--seed", help="which weather; none by default")
    parser.add_argument("--chance", type=float, default=0.01, help="how likely each misdeed is")
    options = parser.parse_args()
    with proxy(Server(options.url), options.port) as made:
        if options.seed is not None:
            made.weather = Weather(options.seed, Chances.all(options.chance))
        print(made.server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
