"""Unpacks gzip and the one file of a ZIP archive, forward, in pieces, with a bound on what comes out."""

from __future__ import annotations

import os
import zlib
from collections.abc import Generator, Iterator
from typing import TypeAlias

from twolane.csvfile.errors import CsvError, damaged
from twolane.csvfile.limits import Limits
from twolane.csvfile.source import BinaryReader, read_fully
from twolane.csvfile.zips import Entry

Piece: TypeAlias = tuple[bytes, int]
"""Some unpacked bytes, and how much of the archive had been used for all up to them."""

PIECE_BYTES = 65_536
FREE_BYTES = 16_777_216
"""What an archive may unpack to however small it is."""

_PACKED_BYTES = 16_384
_MAX_MEMBERS = 100_000


class _Packed:
    """The packed bytes from `begin` to `end` of an archive, each read where the last one ended."""

    def __init__(self, reader: BinaryReader, begin: int, end: int) -> None:
        self._reader = reader
        self.at, self.end = begin, end

    def read(self) -> bytes:
        self._reader.seek(self.at)
        data = read_fully(self._reader, min(_PACKED_BYTES, self.end - self.at))
        self.at += len(data)
        return data


def gzip_pieces(reader: BinaryReader) -> Iterator[Piece]:
    """Yield what a gzip file holds; several members are one text, and NUL bytes behind the last are padding.

    Raises:
        CsvError: it is damaged or cut off.
    """
    packed = _Packed(reader, 0, reader.seek(0, os.SEEK_END))
    for _ in range(_MAX_MEMBERS):
        yield from _inflated(packed, 31, "gzip")
        begin = packed.at
        while (following := packed.read()) and not following.strip(b"\0"):
            begin = packed.at
        if not following:
            return
        packed.at = begin + len(following) - len(following.lstrip(b"\0"))
    raise CsvError("The gzip archive has too many parts: upload the CSV file itself.")


def zip_pieces(reader: BinaryReader, entry: Entry) -> Iterator[Piece]:
    """Yield what the file of a ZIP archive holds.

    Raises:
        CsvError: it is damaged or cut off.
    """
    packed = _Packed(reader, entry.begin, entry.begin + entry.packed_bytes)
    checksum = size_bytes = 0
    for piece, at in _inflated(packed, -15, "ZIP") if entry.is_deflated else _stored(packed):
        checksum = zlib.crc32(piece, checksum)
        size_bytes += len(piece)
        if size_bytes > entry.size_bytes:
            break
        yield piece, at
    if checksum != entry.checksum or size_bytes != entry.size_bytes:
        raise damaged("ZIP")


def bounded(pieces: Iterator[Piece], archive: str, packed_bytes: int, limits: Limits) -> Iterator[Piece]:
    """Pass pieces on until they are more than `limits` allow of an archive of this size.

    Raises:
        CsvError: it is more.
    """
    unpacked_bytes = 0
    for piece, at in pieces:
        unpacked_bytes += len(piece)
        refuse_expansion(archive, packed_bytes, unpacked_bytes, limits)
        yield piece, at


def refuse_expansion(archive: str, packed_bytes: int, unpacked_bytes: int, limits: Limits) -> None:
    """Raise CsvError where an archive unpacks to more than `limits` allow."""
    if unpacked_bytes > limits.max_bytes:
        raise CsvError(
            f"The {archive} archive unpacks to more than {limits.max_bytes:,} bytes, which is the limit."
        )
    if unpacked_bytes > max(packed_bytes * limits.max_expansion, FREE_BYTES):
        raise CsvError(
            f"The {archive} archive unpacks to more than {limits.max_expansion:,} times its size, which is the limit: "
            "upload the CSV file itself."
        )


def _inflated(packed: _Packed, window_bits: int, archive: str) -> Generator[Piece, None, None]:
    inflater = zlib.decompressobj(window_bits)
    data = b""
    while not inflater.eof:
        data = data or packed.read()
        try:
            piece = inflater.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            raise damaged(archive) from error
        if not piece and not data and not inflater.eof:
            raise damaged(archive)
        data = inflater.unconsumed_tail
        if piece:
            yield piece, packed.at - len(data) - len(inflater.unused_data)
    packed.at -= len(inflater.unused_data)


def _stored(packed: _Packed) -> Generator[Piece, None, None]:
    while piece := packed.read():
        yield piece, packed.at
