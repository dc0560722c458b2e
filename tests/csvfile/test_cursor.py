import io
import json

import pytest

from twolane import csvfile

DATA = b"number,seats\nUA1,1\nUA2,2\n"


def cursor_of(data: bytes, model) -> str:
    return next(csvfile.read(io.BytesIO(data), model, chunk_rows=1)).cursor


def refusal(data: bytes, model, cursor) -> str:
    with pytest.raises(csvfile.CursorRefused) as refused:
        next(csvfile.read(io.BytesIO(data), model, start=cursor))
    return str(refused.value)


def test_a_cursor_is_a_small_string_of_json(flight):
    cursor = cursor_of(DATA, flight)

    assert json.loads(json.dumps(cursor)) == cursor
    assert len(cursor) < 90


@pytest.mark.parametrize(
    "garbage", ["", "x", "csv1-1-1", "csv1-19-2-1-0123456789abcdeg", 17, ["csv1"], "é" * 500]
)
def test_garbage_is_refused(flight, garbage):
    said = refusal(DATA, flight, garbage)

    assert "is no cursor" in said
    assert len(said) < 200


def test_a_cursor_of_another_version_is_refused(flight):
    assert "another version" in refusal(DATA, flight, cursor_of(DATA, flight).replace("csv2", "csv3"))


@pytest.mark.parametrize(
    "changed", [DATA + b"UA3,3\n", DATA[:-1], DATA.replace(b"number,seats", b"seats,number")]
)
def test_another_file_is_noticed_by_its_size_and_header(flight, changed):
    assert "has changed" in refusal(changed, flight, cursor_of(DATA, flight))


def test_an_offset_outside_the_rows_is_refused(flight):
    version, _, *rest = cursor_of(DATA, flight).split("-")

    for offset_bytes in ("0", "12", "26"):
        assert "has changed" in refusal(DATA, flight, "-".join([version, offset_bytes, *rest]))


def test_a_cursor_outlives_another_model_and_other_limits(flight):
    class Narrow(flight):
        seats: str

    cursor = cursor_of(DATA, flight)
    options = {"chunk_rows": 7, "limits": csvfile.Limits(max_record_bytes=50)}

    (chunk,) = csvfile.read(io.BytesIO(DATA), Narrow, start=cursor, **options)

    assert [row.seats for row in chunk.rows] == ["2"]
