"""gzip and ZIP: read as the file in them, within bounds, and resumed in the middle."""

import gzip
import io
import random
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.csvfile.broken import GOOD, zipped
from twolane import csvfile

CHANCE, ROWS = random.Random(1), 5_000
MANY = b"number,seats\n" + b"".join(
    b"%s,%d\n" % (CHANCE.randbytes(100).hex().encode(), seats) for seats in range(ROWS)
)
"""A mebibyte."""


def a_zip(data: bytes) -> bytes:
    return zipped(("a.csv", data))


def stored(data: bytes) -> bytes:
    return zipped(("a.csv", data), method=zipfile.ZIP_STORED)


def streamed(data: bytes) -> bytes:
    """An archive written to a pipe: sizes and checksum stand behind the file."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", data)
    return pipe.getvalue()


def members(data: bytes) -> bytes:
    """gzip as bgzip and `cat a.gz b.gz` write it, with padding behind the last."""
    middle = len(data) // 3
    return gzip.compress(data[:middle]) + gzip.compress(b"") + gzip.compress(data[middle:]) + bytes(600)


PACKED = [gzip.compress, members, a_zip, stored, streamed]


@pytest.mark.parametrize("pack", PACKED)
def test_an_archive_of_one_file_is_read_as_that_file(read_all, pack):
    plain, _, plain_chunks = read_all(MANY, chunk_rows=ROWS // 20)
    packed = pack(MANY)

    rows, rejected, chunks = read_all(packed, chunk_rows=ROWS // 20)

    assert rows == plain
    assert rejected == []
    assert [chunk.line for chunk in chunks] == [chunk.line for chunk in plain_chunks]
    offsets = [chunk.offset_bytes for chunk in chunks]
    assert offsets == sorted(offsets)
    assert len(set(offsets)) > len(offsets) * 0.9  # progress that moves
    assert offsets[-1] == len(packed)


@pytest.mark.parametrize("pack", PACKED)
def test_progress_ends_at_all_of_the_upload_even_where_a_chunk_ends_with_the_file(read_all, pack):
    packed = pack(GOOD)

    assert read_all(packed, chunk_rows=1)[2][-1].offset_bytes == len(packed)


@pytest.mark.parametrize("pack", PACKED)
def test_the_rest_of_an_archive_is_read_behind_a_cursor(read_all, pack):
    packed = pack(MANY)
    rows, _, chunks = read_all(packed, chunk_rows=ROWS // 7)

    for done, chunk in enumerate(chunks, 1):
        rest, _, more = read_all(packed, start=chunk.cursor, chunk_rows=ROWS // 7)
        assert rest == rows[done * (ROWS // 7) :]
        assert more == chunks[done:]


def test_what_a_mac_and_a_folder_add_does_not_count(read_all):
    data = zipped(
        ("exports/", b""),
        ("exports/flights 2026.csv", GOOD),
        ("__MACOSX/exports/._flights 2026.csv", b"\0\5\x16\7"),
        ("exports/.DS_Store", b"\0"),
    )

    assert len(read_all(data)[0]) == 2


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../a.csv", "a/../../b.csv", "C:\\a.csv", "a\\b.csv", "a\nb.csv", ".."]
)
def test_odd_paths_are_refused(flight, path):
    with pytest.raises(csvfile.CsvError, match="odd path"):
        csvfile.check_head(io.BytesIO(zipped((path, GOOD))), flight)


def test_a_directory_of_a_million_names_is_not_taken_into_memory(flight):
    entry = struct.pack("<4s42x", b"PK\x01\x02")
    directory = entry * 100_000
    end = struct.pack("<4s4xHHIIH", b"PK\x05\x06", 65_535, 65_535, len(directory), 4, 0)

    with pytest.raises(csvfile.CsvError, match="too many files"):
        csvfile.check_head(io.BytesIO(b"PK\x03\x04" + directory + end), flight)


def test_a_bomb_stops_at_the_limit_in_constant_memory(read_all, flight):
    """One row of 100 MB; an archive of a ZIP says so itself, and is refused at its head."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(GOOD)
    packed += b"".join(packer.compress(bytes(1_000_000)) for _ in range(100)) + packer.flush()
    read_all(GOOD)
    tracemalloc.start()
    try:
        with pytest.raises(
            csvfile.CsvError, match="The gzip archive unpacks to more than 200 times its size"
        ):
            for _ in csvfile.read(io.BytesIO(packed), flight):
                pass
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()


def _model():
    from pydantic import BaseModel

    class Flight(BaseModel):
        number: str
        seats: int

    return Flight


@pytest.mark.parametrize("pack", PACKED)
def test_bytes_are_limited_as_they_unpack(read_all, pack):
    limits = csvfile.Limits(max_bytes=len(MANY))

    assert len(read_all(pack(MANY), limits=limits)[0]) == ROWS
    with pytest.raises(csvfile.CsvError, match="unpacks to more than"):
        read_all(pack(MANY + b"U,1\n"), limits=limits)


def test_a_plain_file_above_the_limit_is_refused_at_its_head(flight):
    with pytest.raises(csvfile.CsvError, match=r"The file has 25 bytes; 24 are the limit\."):
        csvfile.check_head(io.BytesIO(GOOD), flight, limits=csvfile.Limits(max_bytes=24))


def test_an_archive_that_lies_about_its_size_is_damaged(read_all):
    data = bytearray(a_zip(GOOD))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 5)

    with pytest.raises(csvfile.CsvError, match="The ZIP archive is damaged"):
        read_all(bytes(data))


@pytest.mark.parametrize("pack", [gzip.compress, members])
def test_of_an_archive_that_is_cut_off_all_whole_rows_come_first(read_all, flight, pack):
    """A large one: at its head nothing shows."""
    data = MANY * 4  # header rows in between are rejected, which is nothing to this
    packed = pack(data)[:-200_000]
    counts: list[int] = []

    csvfile.check_head(io.BytesIO(packed), flight, encoding="utf-8")
    chunks = csvfile.read(io.BytesIO(packed), flight, encoding="utf-8")
    with pytest.raises(csvfile.CsvError, match="damaged or cut off"):
        counts.extend(len(chunk.rows) + len(chunk.rejected) for chunk in chunks)
    taken = sum(counts)
    if pack is gzip.compress:
        assert taken == zlib.decompressobj(31).decompress(packed).count(b"\n") - 1
    report = csvfile.check(io.BytesIO(packed), flight, problems=1_000, encoding="utf-8")
    assert "damaged or cut off" in report.refused
    assert report.rows == taken


def test_a_cursor_of_one_packing_is_none_of_another(read_all):
    cursor = read_all(gzip.compress(GOOD), chunk_rows=1)[2][0].cursor

    for data in (GOOD, a_zip(GOOD), gzip.compress(GOOD + b"UA3,3\n")):
        with pytest.raises(csvfile.CursorRefused, match="has changed"):
            read_all(data, start=cursor)


@given(st.sampled_from([gzip.compress(GOOD), a_zip(GOOD), members(GOOD), streamed(GOOD)]), st.data())
def test_any_damage_is_rows_or_a_sentence(packed, data):
    damaged = bytearray(packed)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    report = csvfile.check(
        io.BytesIO(bytes(damaged)), _MODEL
    )  # which says what it catches, and catches no more
    assert (report.refused or "it is read.").endswith((".", "?"))


_MODEL = _model()


@pytest.mark.parametrize("packed", [zipped(("a.csv", GOOD)), gzip.compress(GOOD)], ids=["zip", "gzip"])
def test_any_one_damaged_byte_is_rows_or_a_sentence(packed):
    """Such as the place of the directory: what stands before it is then computed to be before the file."""
    for at, byte in enumerate(packed):
        for other in (0, byte ^ 1, byte ^ 128, 255):
            damaged = packed[:at] + bytes([other]) + packed[at + 1 :]
            report = csvfile.check(io.BytesIO(damaged), _MODEL)
            assert report.refused is None or report.refused.endswith((".", "?")), report


def test_a_raw_stream_that_answers_with_little_unpacks_to_the_same(dribble, flight, read_all):
    packed = a_zip(GOOD)
    (slow,) = csvfile.read(dribble(packed, 3), flight)

    assert slow == read_all(packed)[2][0]
