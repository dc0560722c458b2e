"""The rejected rows as a file: all of them, as they are, and safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
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
    "cell", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "-", "=", "+a", "-1-cmd|' /C calc'!A0"]
)
def test_what_a_spreadsheet_takes_for_a_formula_is_text(main: ModuleType, cell: str) -> None:
    assert sys.modules["app.rejected"].safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "-12", "+3.5", "-0,5", "a=b", " x", "2013-01-01", "'"])
def test_what_is_none_stays_as_it_is(main: ModuleType, cell: str) -> None:
    assert sys.modules["app.rejected"].safe(cell) == cell


def test_a_row_that_is_a_formula_is_downloaded_as_text(client: TestClient, imported: Imported) -> None:
    bad = b'=HYPERLINK("http://evil.example"),1\n'
    ((_, _, downloaded),) = read(client, imported(HEADER + bad)["id"])[1:]
    assert downloaded == "'" + bad.decode().strip()
