"""Uploads that break off or do not end, to a real server: refused early, nothing is kept, nothing is logged as a bug."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.examples.csv_rows import HEADER, rows
from tests.examples.site import Site, served

PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\n'
END = b"\r\n--b--\r\n"
LIMIT_BYTES = 1_000_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(
        tmp_path_factory.mktemp("site"), worker=False, FLIGHTS_MAX_UPLOAD_BYTES=str(LIMIT_BYTES)
    ) as site:
        yield site


def connected(site: Site) -> socket.socket:
    at = urlsplit(site.url)
    return socket.create_connection((at.hostname or "", at.port or 0), timeout=20)


def head(*lines: str) -> bytes:
    first = ("POST /imports HTTP/1.1", "Host: here", "Content-Type: multipart/form-data; boundary=b")
    return "\r\n".join([*first, *lines, "", ""]).encode()


def answer(connection: socket.socket) -> bytes:
    """The whole answer, by its length."""
    said = b""
    while not (found := re.search(rb"(?s)content-length: (\d+)\r\n.*\r\n\r\n", said)) or (
        len(said) < found.end() + int(found[1])
    ):
        piece = connection.recv(65536)
        assert piece, said
        said += piece
    return said


def kept(site: Site) -> tuple[int, int, int]:
    """Messages, imports and blobs."""
    blobs = [each for each in (site.folder / "blobs").rglob("*") if each.is_file()]
    database = site.folder / "flights.db"
    imports = 0
    if database.exists():
        with closing(sqlite3.connect(database)) as connection:
            (imports,) = connection.execute("SELECT count(*) FROM imports").fetchone()
    return site.accepted(), imports, len(blobs)


def test_a_client_that_leaves_in_the_middle_leaves_nothing(site: Site) -> None:
    before = kept(site)
    with connected(site) as leaving:
        leaving.sendall(head("Content-Length: 500000") + PART + HEADER + rows(1000))
        leaving.shutdown(socket.SHUT_WR)
        leaving.recv(65536)  # whatever it says to nobody, it has noticed
    with connected(site) as another:
        another.sendall(b"GET /imports/x HTTP/1.1\r\nHost: here\r\n\r\n")
        assert answer(another).startswith(b"HTTP/1.1 404")
    assert kept(site) == before
    assert "Traceback" not in site.log()


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
@pytest.mark.parametrize("length", ["Content-Length: 70000000", "Transfer-Encoding: chunked"])
def test_too_large_is_said_long_before_it_is_all_there(site: Site, accept: str, length: str) -> None:
    before = kept(site)
    data = PART + HEADER + bytes(2 * LIMIT_BYTES)
    if "chunked" in length:
        data = b"%x\r\n%b\r\n" % (len(data), data)  # and no last chunk
    with connected(site) as sending:
        sending.sendall(head(length, f"Accept: {accept}") + data)
        said = answer(sending)
    assert said.startswith(b"HTTP/1.1 413")
    assert b"The file is larger than 1 MB, which is the limit." in said
    assert (b"<h1>" in said) == (accept == "text/html")
    assert kept(site) == before
    assert "Traceback" not in site.log()


def test_a_whole_one_is_taken(site: Site) -> None:
    """So that the others are refused for what they are."""
    before = kept(site)
    data = PART + HEADER + rows(10) + END
    with connected(site) as sending:
        sending.sendall(head(f"Content-Length: {len(data)}") + data)
        assert answer(sending).startswith(b"HTTP/1.1 202")
    assert kept(site) == tuple(each + 1 for each in before)


def test_the_worker_needs_no_more_than_the_folder(tmp_path: Path) -> None:
    with served(tmp_path, worker=True) as site, connected(site) as sending:
        data = PART + HEADER + rows(10) + END
        sending.sendall(head(f"Content-Length: {len(data)}") + data)
        assert answer(sending).startswith(b"HTTP/1.1 202")
        site.processes.until(lambda: _flights(site) == 10, "ten flights")


def _flights(site: Site) -> int:
    with closing(sqlite3.connect(site.folder / "flights.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM flights").fetchone()[0])
