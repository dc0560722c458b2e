"""`lanes.store`: bytes that become a blob when their batch is stored, streamed then and not before."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

from twolane.contracts.blobs import Blobs
from twolane.values.blob import Blob, BlobRef
from twolane.values.errors import BlobError, BlobTooLarge


class PendingBlob(Blob):
    """A blob whose bytes are still where the caller has them.

    Args:
        source: a binary file, or a path that is opened when the batch is stored.
        name: the uploader's file name.
        size_bytes: how many bytes, where that is known; None: not known.
        limit_bytes: more bytes than this are refused.

    Raises:
        BlobTooLarge: the size is known and over the limit.
    """

    __slots__ = ("_guard", "_limit_bytes", "_source", "_stored")

    def __init__(
        self, source: BinaryIO | Path, *, name: str, size_bytes: int | None, limit_bytes: int
    ) -> None:
        if size_bytes is not None and size_bytes > limit_bytes:
            raise BlobTooLarge(f"{name or 'the upload'} has {size_bytes} bytes, the limit is {limit_bytes}")
        super().__init__(BlobRef("", size_bytes or 0, "", name))
        self._source = source
        self._limit_bytes = limit_bytes
        self._stored = False
        self._guard = threading.Lock()

    def store(self, blobs: Blobs) -> None:
        """Stream the bytes into the store, once; afterwards `ref` says where they lie. Blocks.

        Raises:
            BlobTooLarge: more bytes than the limit; nothing stays behind.
            BlobError: the store cannot take them, or the source cannot be read.
        """
        with self._guard:
            if self._stored:
                return
            try:
                if isinstance(self._source, Path):
                    with self._source.open("rb") as file:
                        self.ref = self._put(blobs, file)
                else:
                    self.ref = self._put(blobs, self._source)
            except (OSError, ValueError) as error:
                raise BlobError(f"{self.ref.name or 'the upload'} cannot be read: {error}") from error
            self._opener = blobs.open
            self._stored = True

    def _put(self, blobs: Blobs, file: BinaryIO) -> BlobRef:
        if file.seekable():
            file.seek(0)
        return blobs.put(file, name=self.ref.name, limit_bytes=self._limit_bytes)


def pending(source: Any, *, limit_bytes: int) -> PendingBlob:
    """A blob to be, from an UploadFile, bytes, a path or a binary file.

    Args:
        source: where the bytes are; an UploadFile is known by its `file` and `filename`.
        limit_bytes: more bytes than this are refused.

    Raises:
        BlobTooLarge: the size is known and over the limit.
        TypeError: the source is none of these.
    """
    if isinstance(source, (bytes, bytearray)):
        data = bytes(source)
        return PendingBlob(io.BytesIO(data), name="", size_bytes=len(data), limit_bytes=limit_bytes)
    if isinstance(source, (str, os.PathLike)):
        path = Path(cast("os.PathLike[str]", source))
        return PendingBlob(path, name=path.name, size_bytes=path.stat().st_size, limit_bytes=limit_bytes)
    file = getattr(source, "file", source)
    if not (hasattr(file, "read") and hasattr(file, "seekable")) or isinstance(file, io.TextIOBase):
        raise TypeError(
            f"lanes.store takes an UploadFile, bytes, a path or a binary file, not {type(source).__name__}"
        )
    name = getattr(source, "filename", None) or ""
    return PendingBlob(file, name=name, size_bytes=_size_of(source, file), limit_bytes=limit_bytes)


def _size_of(source: Any, file: Any) -> int | None:
    size = getattr(source, "size", None)
    if isinstance(size, int):
        return size
    if not file.seekable():
        return None
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    return int(end)
