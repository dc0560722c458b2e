import io

import pytest
from fastapi import UploadFile

from twolane import csvfile
from twolane.values.errors import UsageError

DATA = b"number,seats\nUA1,1\n"


class Stored:
    """A blob, as the reader sees one."""

    def __init__(self) -> None:
        self.opened: list[io.BytesIO] = []

    def open(self) -> io.BytesIO:
        self.opened.append(io.BytesIO(DATA))
        return self.opened[-1]


def test_a_path_is_read_as_text_or_path(tmp_path, flight):
    path = tmp_path / "flights.csv"
    path.write_bytes(DATA)

    for source in (path, str(path)):
        (chunk,) = csvfile.read(source, flight)
        assert chunk.rows == [flight(number="UA1", seats=1)]


def test_what_the_reader_opened_it_closes(flight):
    blob = Stored()

    csvfile.check_head(blob, flight)
    for chunk in csvfile.read(blob, flight):
        assert len(chunk.rows) == 1
        break
    with pytest.raises(csvfile.CursorRefused):
        list(csvfile.read(blob, flight, start="x"))

    assert len(blob.opened) == 3
    assert all(file.closed for file in blob.opened)


def test_a_file_that_was_given_open_is_read_from_its_first_byte_and_stays_open(flight):
    file = io.BytesIO(DATA)
    file.seek(5)

    (chunk,) = csvfile.read(file, flight)

    assert chunk.offset_bytes == len(DATA)
    assert not file.closed


@pytest.mark.parametrize("source", [io.StringIO("number,seats\n"), UploadFile(io.BytesIO(DATA)), DATA, None])
def test_what_cannot_be_read_is_refused_with_advice(flight, source):
    for call in (csvfile.check_head, lambda *given: next(csvfile.read(*given))):
        with pytest.raises(
            UsageError, match=r"binary mode .*, not (StringIO|UploadFile|bytes|NoneType): .*\.file"
        ):
            call(source, flight)


def test_the_file_of_an_upload_is_read(flight):
    upload = UploadFile(io.BytesIO(DATA))

    csvfile.check_head(upload.file, flight)

    assert upload.file.tell() == 0
