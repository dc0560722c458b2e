"""The same file twice: it says so and changes nothing, also where a process died between row and message."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.examples.conftest import as_browser, upload
from tests.examples.csv_rows import HEADER, row, rows
from twolane import GiveUp, SendRefused

Imported = Callable[[bytes], dict[str, Any]]
Finished = Callable[[str], dict[str, Any]]
DATA = HEADER + rows(2500)


def messages(main: ModuleType) -> int:
    return int(main.tasks.runtime.stores.records.stats().accepted)


def count(tmp_path: Path, table: str) -> int:
    with closing(sqlite3.connect(tmp_path / "flights.db")) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def test_it_is_the_same_import(
    main: ModuleType, client: TestClient, imported: Imported, tmp_path: Path
) -> None:
    first = imported(DATA)
    again = upload(client, DATA, "another name.csv")
    assert again.status_code == 200
    assert (again.json()["id"], again.json()["status_url"]) == (first["id"], f"/status/{first['id']}")
    assert again.headers["location"] == f"/imports/{first['id']}?same=1"
    assert client.get(f"/imports/{first['id']}").json() == first
    assert (messages(main), count(tmp_path, "flights"), count(tmp_path, "imports")) == (1, 2500, 1)


def test_a_browser_is_told_when_it_was_imported(imported: Imported, browser: TestClient) -> None:
    imported(DATA)
    page = upload(browser, DATA).text
    assert "You imported this file on" in page
    assert "Nothing was imported twice" in page


def test_it_is_the_same_while_the_first_one_waits(idle: TestClient, main: ModuleType) -> None:
    first, second = upload(idle, DATA), upload(idle, DATA)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    assert messages(main) == 1


def test_of_two_at_once_one_is_sent(main: ModuleType, idle: TestClient, tmp_path: Path) -> None:
    upload(idle, HEADER + row())  # so that there is a queue
    together = threading.Barrier(2)
    answers: list[Any] = []

    def send() -> None:
        with_cookie = TestClient(main.app, cookies=idle.cookies)
        together.wait()
        answers.append(upload(with_cookie, DATA))

    threads = [threading.Thread(target=send) for _ in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.status_code for each in answers} <= {200, 202}
    assert len({each.json()["id"] for each in answers}) == 1
    assert (messages(main), count(tmp_path, "imports")) == (2, 2)


def test_one_that_is_set_aside_amid_a_claim_is_no_error(store: ModuleType) -> None:
    """Two uploads of a file whose import was cancelled: one sets it aside while the other looks for it."""
    with store.opened() as db, store.opened() as other:
        first = db.claim("first", "customer", "digest", "a file").id
        other._db.execute("PRAGMA busy_timeout = 0")

        def set_aside(statement: str) -> None:
            if statement.startswith("SELECT"):
                with suppress(sqlite3.OperationalError):  # it is locked: not now
                    other.give_up(first)

        db._db.set_trace_callback(set_aside)
        assert db.claim("second", "customer", "digest", "a file").id == first


def test_another_customer_has_an_import_of_its_own(main: ModuleType, client: TestClient) -> None:
    mine = upload(client, DATA).json()["id"]
    theirs = upload(TestClient(main.app), DATA)
    assert theirs.status_code == 202
    assert theirs.json()["id"] != mine


def test_another_file_is_another_import(client: TestClient, imported: Imported) -> None:
    assert imported(DATA)["id"] != imported(DATA + row(2501))["id"]


def test_a_cancelled_one_may_be_uploaded_again(idle: TestClient, tmp_path: Path) -> None:
    first = upload(idle, DATA).json()["id"]
    idle.post(f"/imports/{first}/cancel")
    again = upload(idle, DATA)
    assert again.status_code == 202
    assert again.json()["id"] != first
    assert upload(idle, DATA).json()["id"] == again.json()["id"]
    page = as_browser(idle).get("/").text
    assert (page.count("flights.csv"), page.count(">cancelled<"), page.count(">waiting<")) == (2, 1, 1)


def test_one_that_failed_may_be_uploaded_again(
    client: TestClient, finished: Finished, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gives_up(*_: object, **__: object) -> None:
        raise GiveUp("the disk of the flights is gone", public="Our flights are closed today.")

    with monkeypatch.context() as broken:
        broken.setattr(sys.modules["app.tasks"].import_flights, "fn", gives_up)
        first = finished(upload(client, DATA).json()["id"])
    assert (first["state"], first["problem"]) == ("failed", "Our flights are closed today.")
    page = browser.get(f"/imports/{first['id']}").text
    assert "Our flights are closed today." in page
    assert "the disk" not in page
    again = upload(client, DATA)
    assert (again.status_code, again.json()["id"] != first["id"]) == (202, True)
    assert finished(again.json()["id"])["imported"] == 2500


def test_a_row_without_its_message_is_no_import_and_the_next_upload_sends_it(
    main: ModuleType, idle: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies, or the disk is full, between the row and the message."""
    upload(idle, HEADER + row())  # so that there is a queue
    sender = main.tasks.runtime.sender

    async def store(_batch: object) -> None:
        raise SendRefused("the disk is full", [])

    with monkeypatch.context() as broken:
        broken.setattr(sender, "store", store)
        assert upload(idle, DATA).status_code == 503
    assert (count(tmp_path, "imports"), messages(main)) == (2, 1)
    assert as_browser(idle).get("/").text.count("flights.csv") == 1  # nobody was told that it is imported

    answer = upload(idle, DATA)
    assert answer.status_code == 202
    assert (count(tmp_path, "imports"), messages(main)) == (2, 2)
    assert idle.get(f"/imports/{answer.json()['id']}").json()["state"] == "waiting"


def test_one_whose_record_is_forgotten_is_done_for_ever(
    main: ModuleType, client: TestClient, imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records are kept for days, what was imported for longer."""
    first = imported(DATA)
    monkeypatch.setattr(main.tasks, "record", lambda _: None)
    assert client.get(f"/imports/{first['id']}").json()["state"] == "done"
    assert upload(client, DATA).status_code == 200


def test_a_queue_that_is_gone_is_our_trouble_and_sends_nothing_twice(
    main: ModuleType, idle: TestClient, tmp_path: Path
) -> None:
    import_id = upload(idle, DATA).json()["id"]
    main.tasks.close()
    for file in filter(Path.is_file, list(tmp_path.glob("twolane.db*"))):
        file.rename(tmp_path / f"away-{file.name}")
    sentence = "This cannot be answered at the moment. Try again in a minute."
    for answer in (idle.get(f"/imports/{import_id}"), upload(idle, DATA)):
        assert (answer.status_code, answer.json()) == (503, {"detail": sentence})
    page = as_browser(idle).get("/")
    assert (page.status_code, sentence in page.text) == (503, True)
    for file in tmp_path.glob("away-*"):
        file.rename(tmp_path / file.name.removeprefix("away-"))
    assert upload(idle, DATA).json()["id"] == import_id
    assert messages(main) == 1
