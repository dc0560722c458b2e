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


class LateBlob(Blob):
    """A blob of which is known what its message says of it when the batch is stored, and not before."""

    __slots__ = ("_guard", "_is_stored")

    def __init__(self, ref: BlobRef) -> None:
        super().__init__(ref)
        self._is_stored = False
        self._guard = threading.Lock()

    def store(self, blobs: Blobs) -> None:
        """See that the bytes are in the store, once; afterwards `ref` says where they lie. Blocks.

        Raises:
            BlobTooLarge: more bytes than the limit; nothing stays behind.
            UploadRefused: a client was to bring them, and did not.
            BlobError: the store cannot take them, or the source cannot be read.
        """
        with self._guard:
            if not self._is_stored:
                self.ref = self._stored(blobs)
                self._opener = blobs.open
                self._is_stored = True

    def _stored(self, blobs: Blobs) -> BlobRef:
        raise NotImplementedError


class PendingBlob(LateBlob):
    """A blob whose bytes are still where the caller has them.

    Args:
        source: a binary file, or a path that is opened when the batch is stored.
        name: the uploader's file name.
        size_bytes: how many bytes, where that is known; None: not known.
        limit_bytes: more bytes than this are refused.

    Raises:
        BlobTooLarge: the size is known and over the limit.
    """

    __slots__ = ("_limit_bytes", "_source")

    def __init__(
        self, source: BinaryIO | Path, *, name: str, size_bytes: int | None, limit_bytes: int
    ) -> None:
        if size_bytes is not None and size_bytes > limit_bytes:
            raise BlobTooLarge(f"{name or 'the upload'} has {size_bytes} bytes, the limit is {limit_bytes}")
        super().__init__(BlobRef("", size_bytes or 0, "", name))
        self._source = source
        self._limit_bytes = limit_bytes

    def _stored(self, blobs: Blobs) -> BlobRef:
        """Stream the bytes into the store."""
        try:
            if isinstance(self._source, Path):
                with self._source.open("rb") as file:
                    return self._put(blobs, file)
            return self._put(blobs, self._source)
        except (OSError, ValueError) as error:
            raise BlobError(f"{self.ref.name or 'the upload'} cannot be read: {error}") from error

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
