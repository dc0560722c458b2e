"""HTTP as a customer's program speaks it: a form, a file in constant memory, progress. Standard library only."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from twolane.cli.demo.failure import DemoFailed

PIECE_BYTES = 256 * 1024
TIMEOUT_S = 30.0


class Client:
    """Speaks to the app on this machine, as one customer: it keeps the cookies it is given."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies = SimpleCookie()

    def get(self, path: str) -> Any:
        """Ask for JSON."""
        return self._ask("GET", path, b"", {})

    def post_form(self, path: str, **fields: str) -> Any:
        """Post a form."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, urlencode(fields).encode(), headers)

    def upload(self, path: str, file: Path) -> Any:
        """Post a file as a browser does, piece by piece."""
        boundary = uuid.uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n'
            "Content-Type: text/csv\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + file.stat().st_size + len(tail)),
        }
        return self._ask("POST", path, _pieces(head, file, tail), headers)

    def _ask(self, method: str, path: str, body: bytes | Iterator[bytes], headers: dict[str, str]) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, headers | self.cookie_header())
            response = connection.getresponse()
            answer = response.read()
            for cookie in response.headers.get_all("Set-Cookie", ()):
                self._cookies.load(cookie)
        except (OSError, http.client.HTTPException) as error:
            raise DemoFailed(f"{method} {path} got no answer: {error!r}") from error
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            said = answer.decode(errors="replace")
            raise DemoFailed(f"the app answered {method} {path} with {response.status}: {said}")
        return json.loads(answer) if answer else None

    def cookie_header(self) -> dict[str, str]:
        """What says who asks."""
        cookies = "; ".join(f"{each.key}={each.coded_value}" for each in self._cookies.values())
        return {"Cookie": cookies} if cookies else {}


def _pieces(head: bytes, file: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with file.open("rb") as source:
        while piece := source.read(PIECE_BYTES):
            yield piece
    yield tail
