"""The rejected rows as a file: all of them, as they are, and safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.examples.csv_rows import HEADER, row

Imported = Callable[[bytes], dict[str, Any]]


def read(client: TestClient, import_id: str) -> list[list[str]]:
    answer = client.get(f"/imports/{import_id}/rejected.csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="rejected-rows.csv"'
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_each_has_its_line_its_reason_and_itself(client: TestClient, imported: Imported) -> None:
    import_id = imported(HEADER + row(1) + row(departed=b"5h17") + row(2) + row(departed=b'"a\nb"'))["id"]
    head, first, second = read(client, import_id)
    assert head == ["line", "reason", "row"]
    assert first == [
        "3",
        "dep_time must be a whole number, got '5h17'",
        row(departed=b"5h17").decode().strip(),
    ]
    assert second[0] == "5"
    assert second[2] == row(departed=b'"a\nb"').decode().strip()


def test_more_than_a_page_of_them_come_in_order(client: TestClient, imported: Imported) -> None:
    import_id = imported(HEADER + row(departed=b"x") * 2500)["id"]
    lines = [int(each[0]) for each in read(client, import_id)[1:]]
    assert lines == list(range(2, 2502))


def test_no_rejected_rows_are_a_file_with_a_header(client: TestClient, imported: Imported) -> None:
    assert len(read(client, imported(HEADER + row())["id"])) == 1


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\ta", "\ra", "-", "=", "+a", "-1-cmd|' /C calc'!A0"]
)
def test_what_a_spreadsheet_takes_for_a_formula_is_text(main: ModuleType, cell: str) -> None:
    assert sys.modules["app.rejected"].safe(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["", "-12", "+3.5", "-0,5", "a=b", " x", "2013-01-01", "'", "a;-12;b", "1;+3.5", '1;"-2"', "a,=1"]
)
def test_what_is_none_stays_as_it_is(main: ModuleType, cell: str) -> None:
    assert sys.modules["app.rejected"].safe(cell) == cell


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
@pytest.mark.parametrize("formula", ["=1+1", '"=1+1"', '"a\n=1+1"', "-1-cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula_wherever_a_spreadsheet_cuts(
    client: TestClient, imported: Imported, separator: str, formula: str
) -> None:
    """In much of Europe a spreadsheet takes the semicolon, others ask for several separators."""
    head = HEADER.decode().replace(",", separator)
    import_id = imported((head + separator.join(["2013", formula, "x"]) + "\n").encode())["id"]
    text = client.get(f"/imports/{import_id}/rejected.csv").content.decode("utf-8-sig")
    for cut in (";", "\t"):
        for line in text.splitlines():
            for cell in line.split(cut):
                assert not re.match("[=+@-]", cell.lstrip('"')), cell


def test_a_row_that_is_a_formula_is_downloaded_as_text(client: TestClient, imported: Imported) -> None:
    bad = b'=HYPERLINK("http://evil.example"),1\n'
    ((_, _, downloaded),) = read(client, imported(HEADER + bad)["id"])[1:]
    assert downloaded == "'" + bad.decode().strip()


def test_the_database_is_not_held_open_for_a_slow_customer(
    main: ModuleType, client: TestClient, imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = imported(HEADER + row(departed=b"x"))["id"]
    rejected, store = sys.modules["app.rejected"], sys.modules["app.store"]
    said: list[str] = []

    def opened_store() -> Iterator[Any]:
        yield from store.opened_store()
        said.append("closed")

    def csv_text(rows: Iterable[Iterable[str]]) -> str:
        said.append("sent")
        return "".join(map(",".join, rows))

    main.app.dependency_overrides[store.opened_store] = opened_store
    monkeypatch.setattr(rejected, "csv_text", csv_text)
    read(client, import_id)
    assert said == ["closed", "sent", "sent"]
