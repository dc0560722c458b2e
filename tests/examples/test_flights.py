"""The flights app as its customers use it: subscribe, upload, watch, and what a kill in the middle leaves."""

from __future__ import annotations

import gzip
import io
import sqlite3
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.examples.conftest import as_browser, upload
from tests.examples.csv_rows import HEADER, row, rows
from twolane import Blob
from twolane.values.blob import BlobRef

Imported = Callable[[bytes], dict[str, Any]]


def query(tmp_path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(tmp_path / "flights.db")) as connection:
        return connection.execute(statement).fetchall()


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flights.csv", data)
    return file.getvalue()


class TestSubscribing:
    def test_a_subscriber_is_welcomed_and_counted(self, client: TestClient, tmp_path: Path) -> None:
        assert "0 subscribed" in client.get("/").text
        assert client.post("/subscribe", data={"email": "ada@example.org"}).status_code == 204
        (mail,) = (tmp_path / "mail").iterdir()
        assert "To: ada@example.org" in mail.read_text()
        assert query(tmp_path, "SELECT name FROM events") == [("subscribed",)]
        assert "1 subscribed" in client.get("/").text

    def test_a_browser_comes_back_to_the_front_page(self, browser: TestClient) -> None:
        answer = browser.post("/subscribe", data={"email": "ada@example.org"})
        assert [each.status_code for each in answer.history] == [303]
        assert "you are subscribed" in answer.text

    def test_what_is_no_email_subscribes_nobody(self, client: TestClient, tmp_path: Path) -> None:
        for wrong in ("", "ada", "ada@", "a@b,c@d", "a@b\r\nBcc: everybody@example.org", "a@" + "b" * 300):
            answer = client.post("/subscribe", data={"email": wrong})
            assert answer.status_code == 422
            assert answer.json() == {"detail": "Give an email address, such as ada@example.org."}
        assert not (tmp_path / "mail").exists()


class TestAnImport:
    def test_it_goes_through_the_queue(self, imported: Imported, tmp_path: Path) -> None:
        progress = imported(HEADER + rows(2))
        assert (progress["state"], progress["imported"], progress["rejected"]) == ("done", 2, 0)
        assert (progress["percent"], progress["attempt"], progress["problem"]) == (100, 1, None)
        assert query(tmp_path, "SELECT flight, tailnum FROM flights") == [(1, "N14228"), (2, "N14228")]

    def test_its_ticket_leads_to_its_status_and_its_location_to_its_page(
        self, client: TestClient, imported: Imported
    ) -> None:
        answer = upload(client, HEADER + row())
        ticket = answer.json()
        assert answer.headers["location"] == f"/imports/{ticket['id']}"
        assert client.get(ticket["status_url"]).json()["id"] == ticket["id"]

    def test_a_browser_is_led_to_its_page(self, browser: TestClient) -> None:
        answer = upload(browser, HEADER + row(), "my flights.csv")
        assert [each.status_code for each in answer.history] == [303]
        assert "<h1>my flights.csv</h1>" in answer.text

    def test_the_front_page_lists_it(self, imported: Imported, browser: TestClient) -> None:
        progress = imported(HEADER + rows(1234))
        page = browser.get("/").text
        assert f'<a href="/imports/{progress["id"]}">flights.csv</a>' in page
        assert '<span class="state done">done</span>' in page
        assert '<td class="number">1,234</td>' in page

    def test_the_endpoint_imports_nothing_itself(self, idle: TestClient) -> None:
        ticket = upload(idle, HEADER + row()).json()
        progress = idle.get(f"/imports/{ticket['id']}").json()
        assert (progress["state"], progress["rows"], progress["percent"]) == ("waiting", 0, None)

    def test_a_cancelled_flight_is_no_error(self, imported: Imported, tmp_path: Path) -> None:
        assert imported(HEADER + row(departed=b"NA", tail=b"NA"))["rejected"] == 0
        assert query(tmp_path, "SELECT dep_time, tailnum FROM flights") == [(None, None)]

    @pytest.mark.parametrize(
        "packed",
        [
            gzip.compress,
            zipped,
            lambda data: data.decode().encode("utf-16"),
            lambda data: data.replace(b",", b";"),
        ],
        ids=["gzip", "zip", "utf-16", "semicolons"],
    )
    def test_what_a_customer_has_at_hand_is_read_as_it_is(
        self, imported: Imported, packed: Callable[[bytes], bytes]
    ) -> None:
        progress = imported(packed(HEADER + rows(3000) + row(departed=b"x")))
        assert (progress["state"], progress["imported"], progress["rejected"]) == ("done", 3000, 1)
        assert progress["percent"] == 100

    def test_its_name_is_text_and_no_html(self, browser: TestClient) -> None:
        answer = upload(browser, HEADER + row(), "<script>alert(1)</script>\"'&.csv")
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text


class TestCancelling:
    def test_what_waits_is_cancelled_at_once(self, idle: TestClient) -> None:
        import_id = upload(idle, HEADER + row()).json()["id"]
        answer = idle.post(f"/imports/{import_id}/cancel")
        assert (answer.status_code, answer.headers["location"]) == (202, f"/imports/{import_id}")
        assert idle.get(f"/imports/{import_id}").json()["state"] == "cancelled"

    def test_a_browser_sees_its_page(self, idle: TestClient) -> None:
        import_id = upload(idle, HEADER + row()).json()["id"]
        answer = as_browser(idle).post(f"/imports/{import_id}/cancel")
        assert [each.status_code for each in answer.history] == [303]
        assert "Stopped; the 0 rows that were imported before stay." in answer.text
        assert "<button" not in answer.text

    def test_what_is_over_says_so(self, client: TestClient, imported: Imported, browser: TestClient) -> None:
        import_id = imported(HEADER + row())["id"]
        answer = client.post(f"/imports/{import_id}/cancel")
        assert answer.status_code == 409
        assert answer.json() == {"detail": "This import is done already: there is nothing left to cancel."}
        page = browser.post(f"/imports/{import_id}/cancel")
        assert page.status_code == 409
        assert "This import is done already" in page.text
        assert client.get(f"/imports/{import_id}").json()["state"] == "done"

    def test_what_ends_as_it_is_cancelled_was_not_cancelled(
        self, client: TestClient, imported: Imported, main: ModuleType
    ) -> None:
        done = imported(HEADER + row())
        progress, own_import = sys.modules["app.progress"], sys.modules["app.imports"].own_import
        a_moment_ago = progress.Progress.model_validate(done | {"state": "running"})
        main.app.dependency_overrides[own_import] = lambda: a_moment_ago
        answer = client.post(f"/imports/{done['id']}/cancel")
        sentence = "This import has just come to its end: there is nothing left to cancel."
        assert (answer.status_code, answer.json()) == (409, {"detail": sentence})

    def test_what_was_cancelled_is_not_cancelled_again(self, idle: TestClient) -> None:
        import_id = upload(idle, HEADER + row()).json()["id"]
        idle.post(f"/imports/{import_id}/cancel")
        answer = idle.post(f"/imports/{import_id}/cancel")
        assert (answer.status_code, "is cancelled already" in answer.text) == (409, True)


class Killed(BaseException):
    """A process that died."""


class Context:
    """A delivery whose process dies at a checkpoint, before or after it is saved."""

    def __init__(self, import_id: str, cursor: Any = None, *, dies_at: int = 0, saved: bool = True) -> None:
        self.id = import_id
        self.cursor = cursor
        self._left = dies_at
        self._saved = saved

    def checkpoint(self, cursor: Any, *, done: float, total: float) -> None:
        self._left -= 1
        if self._left or self._saved:
            self.cursor = cursor
        if not self._left:
            raise Killed


class TestAKill:
    @pytest.fixture
    def upload(self, tmp_path: Path) -> Blob:
        file = tmp_path / "flights.csv"
        file.write_bytes(HEADER + rows(6000) + row(departed=b"x"))
        return Blob(BlobRef("", file.stat().st_size, ""), lambda _: file.open("rb"))

    @pytest.mark.parametrize("saved", [True, False], ids=["behind-a-checkpoint", "before-a-checkpoint"])
    def test_an_import_goes_on_and_counts_nothing_twice(
        self, main: ModuleType, store: ModuleType, tmp_path: Path, upload: Blob, *, saved: bool
    ) -> None:
        import_flights = sys.modules["app.tasks"].import_flights
        with store.opened() as db:
            its = db.claim("an id", "a customer", "a digest", "flights.csv")
            killed = Context(its.id, dies_at=2, saved=saved)
            with pytest.raises(Killed):
                import_flights(killed, upload, db)
            assert query(tmp_path, "SELECT count(*) FROM flights") == [(4000,)]
            import_flights(Context(its.id, killed.cursor), upload, db)
            assert query(tmp_path, "SELECT count(*) FROM flights") == [(6000,)]
            ended = db.find(its.id)
        assert (ended.imported, ended.rejected, ended.begun_at_row) == (6000, 1, 4000)
        assert ended.finished_at is not None

    def test_rows_that_have_no_place_are_not_passed_over(
        self, main: ModuleType, store: ModuleType, upload: Blob
    ) -> None:
        with store.opened() as db, pytest.raises(LookupError, match="was an old copy put back"):
            sys.modules["app.tasks"].import_flights(Context("unknown"), upload, db)
