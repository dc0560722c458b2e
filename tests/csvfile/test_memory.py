"""Peak memory is that of a chunk, whatever the file; counted by tracemalloc, no clock involved."""

import gzip
import io
import os
import tracemalloc

import pytest

from twolane import csvfile

HEADER = b"number,seats\n"


class Endless(io.RawIOBase):
    """A file of a header, a beginning, and one pattern repeated to a given size, made as it is read."""

    def __init__(self, size_bytes: int, pattern: bytes, begin: bytes = b"", header: bytes = HEADER) -> None:
        super().__init__()
        begin = header + begin
        rest_bytes = (size_bytes - len(begin)) // len(pattern) * len(pattern)
        self._size_bytes, self._pattern, self._begin = len(begin) + rest_bytes, pattern, begin
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size_bytes}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        size = min(size, self._size_bytes - self._at)
        begin = self._begin[self._at :][:size]
        skipped = (self._at + len(begin) - len(self._begin)) % len(self._pattern)
        missing = size - len(begin)
        filler = (self._pattern * (missing // len(self._pattern) + 2))[skipped : skipped + missing]
        self._at += size
        return begin + filler


def peak_bytes(source: Endless, model, **options) -> int:
    for _ in csvfile.read(io.BytesIO(HEADER + b"UA1,1\n"), model):
        pass  # pydantic is loaded, the validator built
    tracemalloc.start()
    try:
        for chunk in csvfile.read(source, model, **options):
            assert chunk.offset_bytes
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


ROW = b"U" * 500 + b",10\n"


def test_a_larger_file_needs_no_more_memory(flight):
    small = peak_bytes(Endless(4_000_000, ROW), flight)
    large = peak_bytes(Endless(16_000_000, ROW), flight)

    assert large < small * 1.2


@pytest.mark.parametrize("codec", ["cp1252", "utf_16_le", "utf_16_be", "cp932"])
def test_a_larger_file_needs_no_more_memory_in_any_encoding(flight, codec):
    row, header = ("é" * 500 + ",10\n").encode(codec, "replace"), HEADER.decode().encode(codec)
    small, large = (
        peak_bytes(Endless(size_bytes, row, header=header), flight, encoding=codec)
        for size_bytes in (6_000_000, 16_000_000)
    )

    assert large < small * 1.2


def test_a_larger_archive_needs_no_more_memory(flight):
    rows = gzip.compress(b"".join(b"%0640d,10\n" % number for number in range(2_000)))
    small, large = (
        peak_bytes(Endless(members * len(rows), rows, header=gzip.compress(HEADER)), flight)
        for members in (3, 8)
    )

    assert large < small * 1.2


def test_telling_the_encoding_needs_no_more_memory_than_reading(flight):
    late = Endless(20_000_000, b"U" * 60 + b",1\n")
    csvfile.check_head(io.BytesIO(HEADER + b"\xe9,1\n"), flight)
    tracemalloc.start()
    try:
        csvfile.check_head(late, flight)
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pattern", [b"x\n", b"x", b"x,", b'x""'])
def test_a_quote_nobody_closes_does_not_eat_memory(flight, pattern):
    assert peak_bytes(Endless(24_000_000, pattern, b'UA1,1\n"'), flight) < 12_000_000


@pytest.mark.parametrize("pattern", [b"x", b",", b'"",'])
def test_a_line_that_never_ends_does_not_eat_memory(flight, pattern):
    assert peak_bytes(Endless(24_000_000, pattern, b"UA1,1\n"), flight) < 12_000_000


def test_long_rows_make_short_chunks(flight):
    row = b"x" * 1_000_000 + b",10\n"

    assert peak_bytes(Endless(40_000_000, row), flight, chunk_rows=1_000) < 40_000_000
