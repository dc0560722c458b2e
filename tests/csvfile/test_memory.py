"""Peak memory is that of a chunk, whatever the file; counted by tracemalloc, no clock involved."""

import io
import os
import tracemalloc

import pytest

from twolane import csvfile

HEADER = b"number,seats\n"


class Endless(io.RawIOBase):
    """A file of a header, a beginning, and one pattern repeated to a given size, made as it is read."""

    def __init__(self, size_bytes: int, pattern: bytes, begin: bytes = b"") -> None:
        super().__init__()
        self._size_bytes, self._pattern, self._begin = size_bytes, pattern, HEADER + begin
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
    large = peak_bytes(Endless(32_000_000, ROW), flight)

    assert large < small * 1.2


@pytest.mark.parametrize("pattern", [b"x\n", b"x", b"x,", b'x""'])
def test_a_quote_nobody_closes_does_not_eat_memory(flight, pattern):
    assert peak_bytes(Endless(40_000_000, pattern, b'UA1,1\n"'), flight) < 12_000_000


@pytest.mark.parametrize("pattern", [b"x", b",", b'"",'])
def test_a_line_that_never_ends_does_not_eat_memory(flight, pattern):
    assert peak_bytes(Endless(40_000_000, pattern, b"UA1,1\n"), flight) < 12_000_000


def test_long_rows_make_short_chunks(flight):
    row = b"x" * 1_000_000 + b",10\n"

    assert peak_bytes(Endless(40_000_000, row), flight, chunk_rows=1_000) < 40_000_000
