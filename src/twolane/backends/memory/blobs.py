# ruff: noqa: D102 - the contract carries the docstrings
"""A store of blobs in memory: a dictionary."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from itertools import count
from typing import BinaryIO

from twolane.contracts.clock import Clock
from twolane.values.blob import NOT_UPLOADED, BlobRef, confirmed
from twolane.values.errors import BlobMismatch, BlobMissing, BlobTooLarge, UploadRefused


class MemoryBlobs:
    """Blobs (contract) in memory.

    Args:
        clock: where time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._blobs: dict[str, tuple[bytes, float]] = {}
        self._numbers = count(1)

    def put(self, source: BinaryIO, *, name: str = "", limit_bytes: int | None = None) -> BlobRef:
        data = source.read() if limit_bytes is None else source.read(limit_bytes + 1)
        if limit_bytes is not None and len(data) > limit_bytes:
            raise BlobTooLarge(f"{name or 'the blob'} has more than {limit_bytes} bytes")
        ref = BlobRef(f"memory/{next(self._numbers)}", len(data), hashlib.sha256(data).hexdigest(), name)
        self._blobs[ref.key] = (data, self._now())
        return ref

    def open(self, ref: BlobRef) -> BinaryIO:
        stored = self._blobs.get(ref.key)
        if stored is None:
            raise BlobMissing(f"there is no blob {ref.key}")
        data = stored[0]
        if (len(data), hashlib.sha256(data).hexdigest()) != (ref.size_bytes, ref.sha256):
            raise BlobMismatch(f"blob {ref.key} has another size or checksum than the message says")
        return io.BytesIO(data)

    def new_key(self) -> str:
        return f"memory/{next(self._numbers)}"

    def form(
        self, key: str, *, content_type: str, limit_bytes: int, sha256: str, expires_s: float
    ) -> tuple[str, dict[str, str]] | None:
        del key, content_type, limit_bytes, sha256, expires_s
        return None

    def put_as(self, key: str, source: BinaryIO, *, limit_bytes: int) -> None:
        data = source.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise BlobTooLarge(f"the upload has more than {limit_bytes} bytes")
        self._blobs[key] = (data, self._now())

    def confirm(self, key: str, *, name: str, limit_bytes: int, sha256: str) -> BlobRef:
        if key not in self._blobs:
            raise UploadRefused(NOT_UPLOADED)
        data, _ = self._blobs[key]
        found = BlobRef(key, len(data), hashlib.sha256(data).hexdigest(), name)
        return confirmed(found, limit_bytes=limit_bytes, sha256=sha256)

    def delete(self, key: str) -> None:
        self._blobs.pop(key, None)

    def stored(self) -> Iterator[tuple[str, float]]:
        return iter([(key, at) for key, (_, at) in self._blobs.items()])
