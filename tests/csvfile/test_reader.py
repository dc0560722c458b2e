import io

import pytest

from twolane import csvfile
from twolane.values.errors import UsageError

THREE = b"number,seats,gate\nUA1,10,A\nUA2,20,\nUA3,30,C\n"


def test_rows_come_typed_and_in_order(read_all, flight):
    rows, rejected, _ = read_all(THREE)

    assert rows == [flight(number="UA1", seats=10, gate="A"), flight(number="UA2", seats=20), rows[2]]
    assert rows[2].gate == "C"
    assert rejected == []


def test_a_chunk_says_where_it_ends(read_all):
    _, _, chunks = read_all(THREE, chunk_rows=2)

    assert [(len(chunk.rows), chunk.line, chunk.offset_bytes) for chunk in chunks] == [
        (2, 3, THREE.index(b"UA3")),
        (1, 4, len(THREE)),
    ]


def test_the_rest_is_read_behind_a_cursor(read_all):
    _, _, chunks = read_all(THREE, chunk_rows=2)

    rows, _, rest = read_all(THREE, start=chunks[0].cursor, chunk_rows=5)

    assert [row.number for row in rows] == ["UA3"]
    assert (rest[-1].line, rest[-1].offset_bytes, rest[-1].cursor) == (4, len(THREE), chunks[-1].cursor)
    assert read_all(THREE, start=chunks[-1].cursor)[2] == []


def test_a_bad_row_is_rejected_and_stops_nothing(read_all):
    rows, rejected, _ = read_all(b"number,seats\nUA1,10\nUA2,many\nUA3,30\n")

    assert [row.number for row in rows] == ["UA1", "UA3"]
    assert rejected == [csvfile.Rejected(3, "seats must be a whole number, got 'many'", "UA2,many")]


def test_a_header_alone_is_a_file_of_no_rows(read_all):
    for data in (b"number,seats", b"number,seats\r\n"):
        assert read_all(data) == ([], [], [])


def test_blank_lines_are_skipped_and_counted_as_lines(read_all):
    rows, rejected, chunks = read_all(b"\n\r\nnumber,seats\n\nUA1,10\r\n\r\n\nUA2,x\n\n")

    assert [row.number for row in rows] == ["UA1"]
    assert rejected[0].line == 8
    assert chunks[-1].line == 9


def test_a_last_line_without_its_end_is_a_row(read_all):
    rows, _, chunks = read_all(b"number,seats\nUA1,10\nUA2,20")

    assert [row.number for row in rows] == ["UA1", "UA2"]
    assert (chunks[-1].line, chunks[-1].offset_bytes) == (3, 26)


def test_a_file_cut_off_in_the_middle_of_a_row_loses_only_that_row(reason):
    assert reason(b"number,seats\nUA1,10\nUA2") == (3, "has too few fields: 1, where the file has 2 columns")


def test_a_file_cut_off_inside_quotes_names_the_line_of_the_quote(read_all, reason):
    data = b'number,seats\nUA1,10\n"a\nb","c\nd\n'

    assert reason(data) == (3, "a quote that opens on line 4 is never closed")
    rows, rejected, chunks = read_all(data)
    assert len(rows) == 1
    assert rejected[0].raw == '"a\nb","c\nd'
    assert (chunks[-1].line, chunks[-1].offset_bytes) == (5, len(data))


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_inside_quotes_belong_to_the_field(read_all, line_end):
    data = f'number,seats{line_end}"U{line_end}A",1{line_end}"x",y{line_end}'.encode()

    rows, rejected, chunks = read_all(data)

    assert [row.number for row in rows] == [f"U{line_end}A"]
    assert (rejected[0].line, chunks[-1].line) == (4, 4)


def test_a_byte_order_mark_is_no_part_of_the_first_name(read_all):
    rows, _, chunks = read_all(b"\xef\xbb\xbf" + THREE)

    assert [row.number for row in rows] == ["UA1", "UA2", "UA3"]
    assert chunks[-1].offset_bytes == len(THREE) + 3


def test_a_chunk_ends_by_bytes_too(read_all):
    wide = b"x" * 100_000
    data = b"number,seats\n" + b"".join(b"%s,%d\n" % (wide, seats) for seats in range(100))

    rows, _, chunks = read_all(data)

    assert len(rows) == 100
    assert len(chunks) > 1
    assert max(len(chunk.rows) for chunk in chunks) * len(wide) < 5_000_000


def test_more_rows_than_the_limit_refuse_the_file_also_behind_a_cursor(read_all):
    limits = csvfile.Limits(max_rows=2)
    _, _, chunks = read_all(THREE, chunk_rows=2)

    with pytest.raises(csvfile.CsvError, match="more than 2 rows"):
        read_all(THREE, chunk_rows=1, limits=limits)
    with pytest.raises(csvfile.CsvError, match="more than 2 rows"):
        read_all(THREE, start=chunks[0].cursor, limits=limits)
    assert len(read_all(THREE, limits=csvfile.Limits(max_rows=3))[0]) == 3


def test_an_impossible_chunk_is_refused_at_the_call(flight):
    with pytest.raises(UsageError, match="chunk_rows"):
        csvfile.read(io.BytesIO(THREE), flight, chunk_rows=0)


def test_check_head_accepts_what_read_reads_and_leaves_an_open_file_where_it_stood(flight):
    file = io.BytesIO(THREE)
    file.seek(7)

    csvfile.check_head(file, flight)

    assert file.tell() == 7
    assert not file.closed


def test_check_head_refuses_what_read_refuses(flight):
    file = io.BytesIO(b"number\nUA1\n")

    with pytest.raises(csvfile.CsvError) as checked:
        csvfile.check_head(file, flight)
    with pytest.raises(csvfile.CsvError) as read:
        next(csvfile.read(file, flight))

    assert str(checked.value) == str(read.value)
