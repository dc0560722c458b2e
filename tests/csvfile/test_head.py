import io

import pytest

from twolane import csvfile


def refusal(data: bytes, model, **limits) -> str:
    with pytest.raises(csvfile.CsvError) as refused:
        csvfile.check_head(io.BytesIO(data), model, limits=csvfile.Limits(**limits))
    return str(refused.value)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\r\n\r"])
def test_an_empty_file_is_refused(flight, data):
    assert refusal(data, flight).startswith("The file is empty: it needs a header row")


def test_a_column_named_twice_is_refused(flight):
    assert refusal(b"number,seats,gate, seats\n", flight) == "The header row names a column twice: 'seats'."


def test_columns_without_a_name_are_ignored(read_all):
    rows, _, _ = read_all(b"number,seats,,\nUA1,10,,\n")

    assert rows[0].seats == 10


def test_a_million_columns_are_refused(flight):
    header = b",".join(b"c%d" % number for number in range(1_000_000))

    assert refusal(header, flight) == "The file has more than 1,000 columns, which is the limit."
    assert refusal(b"," * 999_999, flight) == "The file has 1,000,000 columns; 1,000 are the limit."


def test_a_header_without_end_is_refused_unread(flight):
    says = "The header row does not end within 1,048,576 bytes: is this a CSV file?"

    assert refusal(b"x" * 3_000_000, flight) == says
    assert refusal(b'number,"seats\n' + b"x\n" * 3_000_000, flight) == says


def test_the_header_may_be_quoted_and_spaced(read_all):
    rows, _, _ = read_all(b'\xef\xbb\xbf"number" , "seats"\r\nUA1,10\r\n'.replace(b'" , "', b'"," '))

    assert rows[0].seats == 10


def test_a_raw_stream_that_answers_with_little_gives_the_same_head(flight, dribble):
    data = b"number,seats\nUA1,10\nUA2,20\n"
    (chunk,) = csvfile.read(io.BytesIO(data), flight)
    slow = list(csvfile.read(dribble(data, 3), flight))

    assert slow[-1].cursor == chunk.cursor
