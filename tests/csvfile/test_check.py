"""The dry run: what a file would do, without importing it."""

import io

import pytest

from twolane import csvfile
from twolane.values.errors import UsageError

HEADER = b"Number;seats;colour\n"


def test_a_clean_file_is_told_in_full(flight):
    data = HEADER + b"UA1;1;red\nUA2;2;\n"

    report = csvfile.check(io.BytesIO(data), flight)

    assert report == csvfile.Report(
        rows=2,
        complete=True,
        encoding="UTF-8",
        dialect=csvfile.Dialect(";"),
        columns={"Number": "number", "seats": "seats"},
        extra=("colour",),
    )
    assert report.is_clean


def test_the_first_problems_are_enough(flight):
    data = HEADER + b"UA;x;\n" * 5_000

    report = csvfile.check(io.BytesIO(data), flight, problems=3)

    assert [str(problem) for problem in report.problems] == [
        f"line {line}: seats must be a whole number, got 'x'" for line in (2, 3, 4)
    ]
    assert not report.complete
    assert not report.is_clean
    assert report.rows < 5_000


@pytest.mark.parametrize(("bad", "complete"), [(2, True), (3, True), (4, False)])
def test_it_is_known_whether_these_are_all(flight, bad, complete):
    report = csvfile.check(io.BytesIO(HEADER + b"UA;x;\n" * bad), flight, problems=3)

    assert (len(report.problems), report.complete) == (min(bad, 3), complete)


def test_a_file_that_lacks_columns_is_told_with_what_it_has(flight):
    report = csvfile.check(io.BytesIO("Größe,gate\n1,2\n".encode("cp1252")), flight)

    assert report.refused.startswith("The file lacks the columns 'number', 'seats'")
    assert report.missing == ("number", "seats")
    assert report.extra == ("Größe",)
    assert report.columns == {"gate": "gate"}
    assert report.encoding == "Windows-1252 (Western European)"
    assert not report.complete


def test_a_limit_that_is_reached_on_the_way_is_told_beside_the_problems_before(flight):
    data = HEADER + b"UA;x;\n" * 2_500

    report = csvfile.check(io.BytesIO(data), flight, problems=9_999, limits=csvfile.Limits(max_rows=2_100))

    assert report.refused == "The file has more than 2,100 rows, which is the limit."
    assert len(report.problems) == 2_000


def test_an_open_file_is_left_where_it_stood_and_open(flight):
    for data in (HEADER + b"UA;x;\n", b"%PDF", b""):
        file = io.BytesIO(data)
        file.seek(2)
        csvfile.check(file, flight)
        assert file.tell() == 2


def test_no_problems_at_all_cannot_be_asked_for(flight):
    with pytest.raises(UsageError, match="problems of 1 or more, not 0"):
        csvfile.check(io.BytesIO(), flight, problems=0)


def test_the_head_tells_the_same_without_a_row(flight):
    data = HEADER + b"UA;x;\n"
    head, report = csvfile.check_head(io.BytesIO(data), flight), csvfile.check(io.BytesIO(data), flight)

    assert (head.rows, head.problems, head.complete, head.refused) == (0, (), False, None)
    assert (head.encoding, head.dialect, head.columns, head.extra) == (
        report.encoding,
        report.dialect,
        report.columns,
        report.extra,
    )
