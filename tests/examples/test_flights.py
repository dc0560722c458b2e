"""The flights app as its customers use it: every endpoint, bad files, the same file twice, a kill in the middle."""

from __future__ import annotations

import io
import sqlite3
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from twolane import Blob
from twolane.values.blob import BlobRef

HEADER = (
    b"year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,"
    b"origin,dest,air_time,distance,hour,minute,time_hour\n"
)
Imported = Callable[[bytes], dict[str, Any]]


def row(flight: int = 1, *, departed: bytes = b"517", tail: bytes = b"N14228") -> bytes:
    return (
        b"2013,1,1,%b,515,2,830,819,11,UA,%d,%b,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n"
        % (departed, flight, tail)
    )  # fmt: skip


def query(tmp_path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(tmp_path / "flights.db")) as connection:
        return connection.execute(statement).fetchall()


def accepted(main: ModuleType) -> int:
    return int(main.tasks.runtime.stores.records.stats().accepted)


def a_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("flights.csv", HEADER + row())
        archive.writestr("more.csv", HEADER + row())
    return file.getvalue()


def test_the_front_page_leads_to_imports(client: TestClient, imported: Imported) -> None:
    status = imported(HEADER + row())
    page = client.get("/")
    assert page.status_code == 200
    assert f'href="/imports/{status["id"]}"' in page.text


def test_a_subscriber_is_welcomed_and_counted(client: TestClient, tmp_path: Path) -> None:
    assert "0 subscribed" in client.get("/").text
    assert client.post("/subscribe", data={"email": "ada@example.org"}).status_code == 204
    (mail,) = (tmp_path / "mail").iterdir()
    assert "To: ada@example.org" in mail.read_text()
    assert query(tmp_path, "SELECT name FROM events") == [("subscribed",)]
    assert "1 subscribed" in client.get("/").text


def test_what_is_no_email_subscribes_nobody(client: TestClient, tmp_path: Path) -> None:
    for wrong in ("", "ada", "ada@", "a@b\r\nBcc: everybody@example.org", "a@" + "b" * 300):
        assert client.post("/subscribe", data={"email": wrong}).status_code == 422
    assert not (tmp_path / "mail").exists()


def test_an_import_goes_through_the_queue(client: TestClient, imported: Imported, tmp_path: Path) -> None:
    status = imported(HEADER + row(1) + row(2))
    assert (status["state"], status["imported"], status["rejected"]) == ("done", 2, 0)
    assert status["done"] == status["total"] == len(HEADER + row(1) + row(2))
    assert query(tmp_path, "SELECT flight, tailnum FROM flights") == [(1, "N14228"), (2, "N14228")]


def test_the_endpoint_imports_nothing_itself(main: ModuleType, tmp_path: Path) -> None:
    client = TestClient(main.app)  # without its lifespan no worker runs
    ticket = client.post("/imports", files={"file": ("flights.csv", HEADER + row())}).json()
    status = client.get(ticket["status_url"]).json()
    assert (status["state"], status["imported"]) == ("waiting", 0)
    main.tasks.close()


def test_a_cancelled_flight_is_no_error(imported: Imported, tmp_path: Path) -> None:
    assert imported(HEADER + row(departed=b"NA", tail=b"NA"))["rejected"] == 0
    assert query(tmp_path, "SELECT dep_time, tailnum FROM flights") == [(None, None)]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (a_zip(), "holds 2 files"),
        (b"\x1f\x8b" + bytes(20), "The gzip archive is damaged"),
        (HEADER.replace(b"year", b"ye\0ar") + row(), "bytes that are no text"),
        (b"name,age\nada,36\n", "lacks the columns 'year'"),
        (b"<!doctype html><title>Sign in</title>", "a web page (HTML)"),
        (b",".join(b"c%d" % number for number in range(1_000_000)) + b"\n", "more than 1,000 columns"),
        (HEADER[:40], "lacks the columns"),
    ],
    ids=["empty", "blank", "zip", "gzip", "nul", "another", "html", "a-million-columns", "cut-off"],
)
def test_what_is_no_such_file_is_refused_in_a_sentence(
    client: TestClient, main: ModuleType, data: bytes, sentence: str
) -> None:
    answer = client.post("/imports", files={"file": ("flights.csv", data)})
    assert answer.status_code == 422
    assert sentence in answer.json()["detail"]
    assert accepted(main) == 0


def test_an_upload_without_a_file_is_refused(client: TestClient, main: ModuleType) -> None:
    assert client.post("/imports").status_code == 422
    assert accepted(main) == 0


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # Starlette leaves its part open
def test_an_upload_that_breaks_off_is_refused(client: TestClient, main: ModuleType) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\n' + HEADER
    assert client.post("/imports", content=part, headers=headers).status_code in (400, 422)
    assert accepted(main) == 0


def test_a_file_above_the_limit_is_refused(client: TestClient, main: ModuleType) -> None:
    limit = sys.modules["app.settings"].MAX_UPLOAD_BYTES
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\n' + HEADER

    def body() -> Iterator[bytes]:  # without a length: the bytes are counted as they come
        yield head
        for _ in range(limit // 1_000_000 + 1):
            yield bytes(1_000_000)

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/imports", content=body(), headers=headers).status_code == 413
    assert accepted(main) == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row()[:30], "has too few fields: 10, where the file has 19 columns"),
        (row(departed=b"5h17"), "dep_time must be a whole number, got '5h17'"),
        (row(tail=b"N\0"), "contains a NUL byte"),
        (row().replace(b"1400", b"9" * 30), "distance must be"),
        (row().replace(b"EWR", "éwr".encode() + b"\xe9"), "which is not UTF-8 text"),
        (row().replace(b"EWR", b'"EWR'), "a quote that opens on line 3 is never closed"),
    ],
    ids=["cut-off", "text", "nul", "huge", "latin-1", "quote"],
)
def test_a_bad_row_is_rejected_with_line_and_reason_and_stops_nothing(
    client: TestClient, imported: Imported, bad: bytes, reason: str
) -> None:
    status = imported(HEADER + row(1) + bad)
    assert (status["state"], status["imported"], status["rejected"]) == ("done", 1, 1)
    (rejected,) = client.get(f"/imports/{status['id']}/rejected").json()
    assert rejected["line"] == 3
    assert reason in rejected["reason"]


def test_rejected_rows_come_in_pages(client: TestClient, imported: Imported) -> None:
    status = imported(HEADER + row(departed=b"x") * 5)
    url = f"/imports/{status['id']}/rejected"
    assert [each["line"] for each in client.get(url, params={"limit": 2}).json()] == [2, 3]
    assert [each["line"] for each in client.get(url, params={"after_line": 4}).json()] == [5, 6]
    for wrong in ({"limit": -1}, {"after_line": 10**30}):
        assert client.get(url, params=wrong).status_code == 422


def test_the_same_file_twice_adds_no_flight(imported: Imported, tmp_path: Path) -> None:
    data = HEADER + b"".join(map(row, range(1, 2501)))
    first, second = imported(data), imported(data)
    assert first["imported"] == second["imported"] == 2500
    assert query(tmp_path, "SELECT count(*) FROM flights") == [(2500,)]


def test_the_id_of_no_import_is_unknown(client: TestClient, main: ModuleType) -> None:
    other = main.tasks.send_blocking(main.tasks.registry.get("always_raises"))
    for import_id in ("x", other.id):
        assert client.get(f"/imports/{import_id}").status_code == 404


class Killed(BaseException):
    """A process that died."""


class Context:
    """A delivery whose process dies at a checkpoint, before or after it is saved."""

    def __init__(self, cursor: str | None = None, *, dies_at: int = 0, saved: bool = True) -> None:
        self.id = "01a20468-74c6-736f-80c1-f4232a6f270d"
        self.cursor = cursor
        self._left = dies_at
        self._saved = saved

    def checkpoint(self, cursor: str, *, done: float, total: float) -> None:
        self._left -= 1
        if self._left or self._saved:
            self.cursor = cursor
        if not self._left:
            raise Killed


@pytest.mark.parametrize("saved", [True, False], ids=["behind-a-checkpoint", "before-a-checkpoint"])
def test_a_killed_import_goes_on_and_counts_nothing_twice(
    main: ModuleType, store: ModuleType, tmp_path: Path, *, saved: bool
) -> None:
    file = tmp_path / "flights.csv"
    file.write_bytes(HEADER + b"".join(map(row, range(1, 6001))) + row(departed=b"x"))
    upload = Blob(BlobRef("", file.stat().st_size, ""), lambda _: file.open("rb"))
    killed = Context(dies_at=2, saved=saved)
    with pytest.raises(Killed):
        main.import_flights(killed, upload)
    assert query(tmp_path, "SELECT count(*) FROM flights") == [(4000,)]
    main.import_flights(Context(killed.cursor), upload)
    assert query(tmp_path, "SELECT count(*) FROM flights") == [(6000,)]
    with store.opened() as db:
        assert db.counts(killed.id) == (6000, 1)
