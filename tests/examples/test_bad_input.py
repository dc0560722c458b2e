"""What customers should not send: each gets a status and a sentence, and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient
from markupsafe import escape

from tests.csvfile.broken import REFUSED, Broken
from tests.examples.conftest import as_browser, upload
from tests.examples.csv_rows import HEADER, row, rows
from twolane import csvfile

Imported = Callable[[bytes], dict[str, Any]]
CHOOSE = "Choose a CSV file to upload, in the form's field `file`."
UNKNOWN = "0198f2a0-0000-7000-8000-000000000000"
FORM = {"content-type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\n'


def accepted(main: ModuleType) -> int:
    return int(main.tasks.runtime.stores.records.stats().accepted)


def kept(store: ModuleType) -> int:
    with store.opened() as db:
        return int(db._db.execute("SELECT count(*) FROM imports").fetchone()[0])


@pytest.fixture(autouse=True)
def nothing_stays(request: pytest.FixtureRequest, main: ModuleType, store: ModuleType) -> Iterator[None]:
    """Whatever is refused here leaves neither a message nor a row."""
    yield
    if "imported" not in request.fixturenames:
        assert (accepted(main), kept(store)) == (0, 0)
        main.tasks.close()


@pytest.mark.parametrize("broken", REFUSED, ids=str)
def test_a_broken_file_is_refused_in_its_sentence(client: TestClient, broken: Broken) -> None:
    with pytest.raises(csvfile.CsvError) as refused:
        csvfile.check_head(io.BytesIO(broken.data), sys.modules["app.models"].Flight)
    answer = upload(client, broken.data)
    assert (answer.status_code, answer.json()) == (422, {"detail": str(refused.value)})
    page = upload(as_browser(client), broken.data)
    assert (page.status_code, page.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert escape(str(refused.value)) in page.text


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"files": {"wrong": ("flights.csv", HEADER + row())}},
        {"data": {"file": "no file, but text"}},
        {"files": {"file": ("", b"")}},
        {"content": b"", "headers": FORM},
        {"content": b"{}", "headers": {"content-type": "application/json"}},
    ],
    ids=["nothing", "wrong-field", "text", "no-name", "empty-body", "json"],
)
def test_a_form_without_a_file_says_what_to_do(client: TestClient, form: dict[str, Any]) -> None:
    answer = client.post("/imports", **form)
    assert answer.status_code == 422
    assert answer.json() == {"detail": CHOOSE}
    page = as_browser(client).post("/imports", **form)
    assert page.status_code == 422
    assert CHOOSE.replace("'", "&#39;") in page.text


def test_two_files_in_one_field_are_one_import_of_the_last(client: TestClient) -> None:
    answer = client.post("/imports", files=[("file", ("a.csv", b"")), ("file", ("b.csv", b""))])
    assert answer.status_code == 422


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # Starlette leaves its part open
@pytest.mark.parametrize(
    "body",
    [PART + HEADER, PART[:20], b"--b\r\n\r\n\r\n--b--", bytes(1000)],
    ids=["file", "head", "bare", "nul"],
)
def test_a_form_that_is_none_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/imports", content=body, headers=FORM)
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str)


def test_a_length_that_says_it_is_too_much_is_enough(client: TestClient) -> None:
    answer = client.post("/imports", content=b"", headers=FORM | {"content-length": "60000000"})
    assert answer.status_code == 413
    assert answer.json() == {"detail": "The file is larger than 50 MB, which is the limit."}


@pytest.mark.parametrize(
    "import_id", ["x", "%00", "..%2f..", "0" * 5000, UNKNOWN, "Ü", "'; DROP TABLE imports"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/progress"), ("GET", "/rejected.csv"), ("POST", "/cancel")],
)
def test_an_id_that_is_none_is_unknown(client: TestClient, import_id: str, method: str, path: str) -> None:
    answer = client.request(method, f"/imports/{import_id}{path}")
    assert answer.status_code == 404
    assert "detail" in answer.json()
    page = as_browser(client).request(method, f"/imports/{import_id}{path}")
    assert (page.status_code, "<h1>Not found</h1>" in page.text) == (404, True)


def test_a_message_of_another_task_is_no_import(
    client: TestClient, main: ModuleType, imported: Imported
) -> None:
    other = main.tasks.send_blocking(main.tasks.registry.get("always_raises"))
    assert client.get(f"/imports/{other.id}").status_code == 404
    assert client.get(f"/status/{other.id}").status_code == 404


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/"), ("PUT", "/imports")])
def test_a_path_or_a_method_that_is_none_is_said_in_the_same_way(
    client: TestClient, method: str, path: str
) -> None:
    assert isinstance(client.request(method, path).json()["detail"], str)
    assert "<h1>" in as_browser(client).request(method, path).text


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row()[:30], "has too few fields: 10, where the file has 19 columns"),
        (row(departed=b"5h17"), "dep_time must be a whole number, got '5h17'"),
        (row(tail=b"N\0"), "contains a NUL byte"),
        (row().replace(b"1400", b"9" * 30), "distance must be"),
        (row().replace(b"EWR", b"\xe9wr"), "which is not UTF-8 text"),
        (row().replace(b"EWR", b'"EWR'), "a quote that opens on line 3 is never closed"),
    ],
    ids=["cut-off", "text", "nul", "huge", "latin-1", "quote"],
)
def test_a_bad_row_is_rejected_with_line_and_reason_and_stops_nothing(
    client: TestClient, browser: TestClient, imported: Imported, bad: bytes, reason: str
) -> None:
    good = row(1, tail="Ñandú Ñandú".encode())  # letters that say that the file is UTF-8
    progress = imported(HEADER + good + bad)
    assert (progress["state"], progress["imported"], progress["rejected"]) == ("done", 1, 1)
    assert reason in client.get(f"/imports/{progress['id']}/rejected.csv").text
    page = browser.get(f"/imports/{progress['id']}").text.replace("&#39;", "'")
    assert '<td class="number">3</td>' in page
    assert reason in page


def test_a_file_that_turns_bad_in_the_middle_is_told_to_the_customer_and_no_dead_letter(
    main: ModuleType, imported: Imported, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = csvfile.read
    limits = csvfile.Limits(max_rows=2500)
    monkeypatch.setattr(csvfile, "read", lambda *args, **options: read(*args, limits=limits, **options))
    progress = imported(HEADER + rows(3000))
    assert (progress["state"], progress["imported"]) == ("failed", 2000)
    assert progress["problem"] == "The file has more than 2,500 rows, which is the limit."
    assert progress["problem"] in browser.get(f"/imports/{progress['id']}").text
    assert main.tasks.runtime.stores.records.list_dead() == []


def test_an_archive_that_is_cut_off_keeps_what_was_read(imported: Imported) -> None:
    wide = (row(flight, departed=b"517".ljust(400)) for flight in range(1, 24_000))
    whole = gzip.compress(HEADER + b"".join(wide), 1)
    progress = imported(whole[:-10_000])  # behind all that the upload looks at
    assert progress["state"] == "failed"
    assert "The gzip archive is damaged or cut off" in progress["problem"]
    assert progress["imported"] > 0
