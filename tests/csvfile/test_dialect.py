"""Commas, semicolons, tabs and pipes: told from the head of the file, or named."""

import csv
import io

import pytest

from twolane import csvfile
from twolane.values.errors import UsageError

NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


def told(text: str, flight, **options) -> csvfile.Dialect | None:
    return csvfile.check_head(io.BytesIO(text.encode()), flight, **options).dialect


@pytest.mark.parametrize("delimiter", NAMES)
def test_each_delimiter_is_told(read_all, flight, delimiter):
    text = "\n".join(delimiter.join(row) for row in (["number", "seats"], ["a,b;c|d"[:1], "1"], ["UA2", "2"]))

    assert told(text, flight) == csvfile.Dialect(delimiter)
    assert [row.seats for row in read_all(text.encode())[0]] == [1, 2]


@pytest.mark.parametrize("delimiter", NAMES)
def test_delimiters_inside_quotes_count_nothing(flight, delimiter):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows(
        [["number", "seats, all; of\tthem|here"], *([",,,;;;\t\t\t|||\n,;", "1"] for _ in range(5))]
    )

    options = {"columns": {"seats, all; of\tthem|here": "seats"}}
    assert told(file.getvalue(), flight, **options) == csvfile.Dialect(delimiter)


def test_decimal_commas_do_not_make_commas_the_delimiter(flight):
    assert told("Nr;Preis, EUR;seats;number\n" + "7;1,5;2;UA\n" * 5, flight) == csvfile.Dialect(";")


def test_what_the_model_knows_decides_against_what_is_frequent(flight):
    assert told("number|seats|a,b,c\n" + "UA|1|1,2,3\n" * 5, flight) == csvfile.Dialect("|")


def test_one_column_is_a_comma(read_all):
    from pydantic import BaseModel

    class One(BaseModel):
        seats: int

    rows, _, chunks = read_all(b"seats\n1\n2\n", One)

    assert len(rows) == 2
    assert "-comma-" in chunks[-1].cursor


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("sign", ["sep=;", '"sep=;"'])
def test_the_line_that_excel_begins_with_is_heard_and_counted(read_all, sign, line_end):
    data = line_end.join([sign, "number;seats", "a,b,c;1", "UA2;x", ""]).encode()

    rows, rejected, chunks = read_all(data)

    assert rows[0].number == "a,b,c"
    assert rejected[0].line == 4
    assert chunks[-1].offset_bytes == len(data)


def test_a_dialect_that_is_named_is_not_told(read_all, flight):
    data = b"number,x;seats\nUA,1;7\n"

    for dialect in (";", csvfile.Dialect(";")):
        rows, _, _ = read_all(data, dialect=dialect, columns={"number,x": "number"})
        assert rows[0].number == "UA,1"


def test_a_file_without_quoting_takes_quotes_as_they_are(read_all):
    data = b'number\tseats\n"UA" 1\t1\n"open\t2\n'

    rows, rejected, _ = read_all(data, dialect=csvfile.Dialect("\t", quoted=False))
    again, _, _ = read_all(
        data, start=read_all(data, dialect=csvfile.Dialect("\t", quoted=False), chunk_rows=1)[2][0].cursor
    )

    assert [row.number for row in rows] == ['"UA" 1', '"open']
    assert [row.number for row in again] == ['"open']
    assert rejected == []


@pytest.mark.parametrize("dialect", [":", "", ",,", " "])
def test_another_delimiter_is_refused_at_the_call(flight, dialect):
    with pytest.raises(UsageError, match="delimiter is one of"):
        csvfile.read(io.BytesIO(), flight, dialect=dialect)


def test_a_dialect_says_its_name():
    assert [csvfile.Dialect(delimiter).name for delimiter in NAMES] == list(NAMES.values())


@pytest.mark.parametrize("data", [b'number;"seats\nUA1;1\n', b'"number"x;seats\nUA1;1\n'])
def test_a_header_with_broken_quotes_is_refused_for_them(flight, data):
    with pytest.raises(csvfile.CsvError, match="quote"):
        csvfile.check_head(io.BytesIO(data), flight)


def test_mixed_line_ends_are_each_one(read_all):
    rows, rejected, chunks = read_all(b"number;seats\rUA1;1\r\nUA2;x\nUA3;3\r\r\n\nUA4;y")

    assert [row.number for row in rows] == ["UA1", "UA3"]
    assert [each.line for each in rejected] == [3, 7]
    assert chunks[-1].line == 7
