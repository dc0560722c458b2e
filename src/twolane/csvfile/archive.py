"""The bytes of the CSV file itself, whether it was uploaded as it is, as gzip, or as the one file of a ZIP archive.

What is packed can only be read forward: going on in the middle unpacks all that lies before, and drops it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from twolane.csvfile.errors import CsvError
from twolane.csvfile.limits import Limits
from twolane.csvfile.source import BinaryReader, Readable, read_fully
from twolane.csvfile.strangers import GZIP, ZIP
from twolane.csvfile.unpack import Piece, bounded, gzip_pieces, refuse_expansion, zip_pieces
from twolane.csvfile.zips import entry_in


class Stream(Readable, Protocol):
    """The bytes of the CSV file from one place on; a read gives less than was asked for only at the end.

    Where an archive is damaged, a read gives what comes before, and the next one raises `CsvError`.
    """

    def uploaded_bytes(self, offset_bytes: int) -> int:
        """Return how much of the uploaded file had to be read for the first `offset_bytes` of the CSV file."""
        ...


@dataclass(frozen=True, slots=True)
class Contents:
    """The CSV file in an upload.

    Args:
        reader: the upload.
        size_bytes: the size of the upload.
        archive: "gzip" or "ZIP", None where the upload is the CSV file itself.
        pieces: unpacks it from its beginning.
    """

    reader: BinaryReader
    size_bytes: int
    archive: str | None
    pieces: Callable[[], Iterator[Piece]] | None

    def stream(self, offset_bytes: int = 0) -> Stream:
        """Return the bytes from `offset_bytes` on; any stream returned before is used up.

        Raises:
            CsvError: what lies before cannot be unpacked.
        """
        if self.pieces is None:
            self.reader.seek(offset_bytes)
            return _AsItIs(self.reader)
        stream = _Unpacked(self.pieces(), self.size_bytes)
        stream.skip(offset_bytes)
        return stream


def contents_of(reader: BinaryReader, limits: Limits) -> Contents:
    """Return the CSV file in an upload.

    Raises:
        CsvError: it is above `limits.max_bytes`, or an archive that is damaged or holds something else.
    """
    size_bytes = reader.seek(0, os.SEEK_END)
    reader.seek(0)
    magic = read_fully(reader, 4)
    if magic.startswith(GZIP):
        return _packed(reader, size_bytes, "gzip", lambda: gzip_pieces(reader), limits)
    if magic in ZIP:
        entry = entry_in(reader)
        refuse_expansion("ZIP", size_bytes, entry.size_bytes, limits)
        return _packed(reader, size_bytes, "ZIP", lambda: zip_pieces(reader, entry), limits)
    if size_bytes > limits.max_bytes:
        raise CsvError(f"The file has {size_bytes:,} bytes; {limits.max_bytes:,} are the limit.")
    return Contents(reader, size_bytes, None, None)


def _packed(
    reader: BinaryReader, size_bytes: int, archive: str, pieces: Callable[[], Iterator[Piece]], limits: Limits
) -> Contents:
    return Contents(reader, size_bytes, archive, lambda: bounded(pieces(), archive, size_bytes, limits))


class _AsItIs:
    def __init__(self, reader: BinaryReader) -> None:
        self._reader = reader

    def read(self, size: int, /) -> bytes:
        return read_fully(self._reader, size)

    def uploaded_bytes(self, offset_bytes: int) -> int:
        return offset_bytes


class _Unpacked:
    """One piece is unpacked ahead, so that the last one is known to be the last: then all of the upload is read."""

    def __init__(self, pieces: Iterator[Piece], size_bytes: int) -> None:
        self._pieces, self._size_bytes = pieces, size_bytes
        self._ahead = self._unpack()
        self._piece = b""
        self._unpacked_bytes = 0
        self._marks = deque([(0, 0)])  # unpacked and uploaded bytes at the ends of pieces

    def read(self, size: int, /) -> bytes:
        data = self._taken(size)
        while data and len(data) < size and not isinstance(self._ahead, CsvError):
            more = self._taken(size - len(data))
            if not more:
                break
            data += more
        return data

    def skip(self, offset_bytes: int) -> None:
        while offset_bytes and (data := self._taken(offset_bytes)):
            offset_bytes -= len(data)

    def uploaded_bytes(self, offset_bytes: int) -> int:
        while len(self._marks) > 1 and self._marks[1][0] <= offset_bytes:
            self._marks.popleft()
        unpacked, uploaded = self._marks[0]
        if len(self._marks) == 1 or offset_bytes <= unpacked:
            return uploaded
        next_unpacked, next_uploaded = self._marks[1]
        share = (offset_bytes - unpacked) / (next_unpacked - unpacked)
        return uploaded + int((next_uploaded - uploaded) * share)

    def _taken(self, size: int) -> bytes:
        if not self._piece:
            self._piece = self._next_piece()
        data, self._piece = self._piece[:size], self._piece[size:]
        return data

    def _next_piece(self) -> bytes:
        ahead = self._ahead
        if isinstance(ahead, CsvError):
            raise ahead  # only now: what was unpacked before it is good
        if ahead is None:
            return b""
        piece, uploaded_bytes = ahead
        self._ahead = self._unpack()
        self._unpacked_bytes += len(piece)
        self._marks.append(
            (self._unpacked_bytes, self._size_bytes if self._ahead is None else uploaded_bytes)
        )
        return piece

    def _unpack(self) -> Piece | CsvError | None:
        try:
            return next(self._pieces, None)
        except CsvError as error:
            return error
