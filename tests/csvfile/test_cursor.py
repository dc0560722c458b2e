import hashlib
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
    "garbage",
    [
        "",
        "x",
        "csv1-1-1",
        "csv1-19-2-1-0123456789abcdeg",
        "csv2-19-2-1-utf_9-comma-0123456789abcdef",
        "csv2-19-2-1-utf_8-colon-0123456789abcdef",
        17,
        ["csv1"],
        "é" * 500,
    ],
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


@pytest.mark.parametrize(
    ("data", "cursor"),
    [
        (DATA, "csv1-19-2-1-FINGER"),
        (b"\xef\xbb\xbf\n" + DATA, "csv1-23-3-1-FINGER"),
    ],
)
def test_an_import_that_began_before_cursors_knew_encodings_goes_on(flight, data, cursor):
    """The fingerprint is that of csv1: sha256 of the size and all up to the end of the header."""
    head = data[: data.index(b"seats\n") + 6]
    finger = hashlib.sha256(b"%d " % len(data) + head).hexdigest()[:16]

    (chunk,) = csvfile.read(io.BytesIO(data), flight, start=cursor.replace("FINGER", finger))

    assert [row.number for row in chunk.rows] == ["UA2"]
    assert chunk.cursor.startswith("csv2-")
    assert refusal(data, flight, cursor.replace("FINGER", "0" * 16)).startswith("The file has changed")


def test_a_cursor_is_none_for_another_encoding_or_dialect(flight):
    cursor = cursor_of(DATA, flight)

    for options in ({"encoding": "cp1252"}, {"dialect": ";"}, {"dialect": csvfile.Dialect(quoted=False)}):
        with pytest.raises(csvfile.CursorRefused, match="This cursor was made while the file was read"):
            next(csvfile.read(io.BytesIO(DATA), flight, start=cursor, **options))
    assert next(csvfile.read(io.BytesIO(DATA), flight, start=cursor, encoding="utf-8", dialect=","))


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le"])
def test_a_cursor_of_utf_16_goes_with_both_of_its_names(flight, codec):
    data = DATA.decode().encode("utf-16-le")

    assert next(csvfile.read(io.BytesIO(data), flight, start=cursor_of(data, flight), encoding=codec))
