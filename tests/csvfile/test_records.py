import csv
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolane import csvfile
from twolane.csvfile.encoding import UTF_8
from twolane.csvfile.grammar import grammar_of
from twolane.csvfile.records import Oversized, count_lines, split
from twolane.csvfile.text import Text

COMMAS = grammar_of(b",", quoted=True)

# Few characters, so that every state of the csv module is met often.
GARBAGE = st.text('",\r\nab', max_size=60)


def measured(
    data: bytes, max_record_bytes: int, block_bytes: int, shown_bytes: int
) -> list[tuple[int, int, bytes]]:
    """Return size, lines and beginning of each record."""
    records: list[tuple[int, int, bytes]] = []
    text = Text(io.BytesIO(data), UTF_8)
    for piece in split(text, COMMAS, max_record_bytes, block_bytes):
        if isinstance(piece, Oversized):
            records.append((piece.size_bytes, piece.lines, piece.start[:shown_bytes]))
        else:
            records += [(len(record), count_lines(record), record[:shown_bytes]) for record in piece]
    return records


@given(GARBAGE)
def test_records_end_where_those_of_the_csv_module_end(text):
    reference = csv.reader(io.StringIO(text, newline=""))
    expected = [(row, reference.line_num) for row in reference]

    pieces = split(Text(io.BytesIO(text.encode()), UTF_8), COMMAS, 1_000)
    records = list(itertools.chain.from_iterable(pieces))

    assert b"".join(records).decode() == text
    lines = itertools.accumulate(map(count_lines, records))
    parsed = [next(csv.reader(io.StringIO(record.decode(), newline=""))) for record in records]
    assert list(zip(parsed, lines, strict=True)) == expected


@given(GARBAGE, st.integers(1, 7), st.integers(1, 20))
def test_records_end_there_however_the_bytes_arrive_and_whatever_is_too_long(
    text, block_bytes, max_record_bytes
):
    data, shown_bytes = text.encode(), max_record_bytes + 1

    assert measured(data, max_record_bytes, block_bytes, shown_bytes) == measured(
        data, 1_000, 1_000, shown_bytes
    )


def test_an_oversized_record_is_rejected_alone(read_all):
    data = b"number,seats\nUA1,1\n" + b"x" * 90 + b',2\nUA3,3\n4,"\n' + b"y\n" * 50 + b'"\nUA5,5\n'

    rows, rejected, chunks = read_all(data, limits=csvfile.Limits(max_record_bytes=80))

    assert [row.number for row in rows] == ["UA1", "UA3", "UA5"]
    assert [(rejection.line, rejection.reason) for rejection in rejected] == [
        (3, "is longer than 80 bytes"),
        (5, "a quote that opens on line 5 is not closed within 80 bytes"),
    ]
    assert (chunks[-1].line, chunks[-1].offset_bytes) == (count_lines(data), len(data))


def test_what_follows_a_quote_nobody_closes_is_one_rejected_row(read_all):
    data = b'number,seats\nUA1,1\nUA2,"2\n' + b"UA3,3\n" * 400_000

    rows, rejected, chunks = read_all(data)

    assert len(rows) == 1
    assert [(rejection.line, rejection.reason) for rejection in rejected] == [
        (3, "a quote that opens on line 3 is not closed within 1,048,576 bytes"),
    ]
    assert len(rejected[0].raw) == 1_000
    assert (chunks[-1].line, chunks[-1].offset_bytes) == (400_003, len(data))


@pytest.mark.parametrize("filler", [b'"', b'""', b",", b'"",', b'","', b"\r", b'"\r\n'])
def test_a_megabyte_of_one_character_ends(read_all, filler):
    data = b"number,seats\n" + filler * (1_000_000 // len(filler))

    rows, _, chunks = read_all(data)

    assert rows == []
    assert chunks[-1].offset_bytes == len(data)
