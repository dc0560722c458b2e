"""What the engine asks of a store of blobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from twolane.values.blob import BlobRef


class Blobs(Protocol):
    """A store of bytes kept outside messages. All calls block; all are safe from any thread."""

    def put(self, source: BinaryIO, *, name: str = "", limit_bytes: int | None = None) -> BlobRef:
        """Store what `source` yields from its present position, in constant memory; durable on return (L1).

        Args:
            source: a binary reader.
            name: the uploader's file name, kept for people.
            limit_bytes: more bytes than this are refused and nothing stays behind.

        Raises:
            BlobTooLarge: more than `limit_bytes`.
            BlobError: the store cannot take it (disk full, no permission).
        """
        ...

    def open(self, ref: BlobRef) -> BinaryIO:
        """Open a blob: a seekable binary reader.

        Raises:
            BlobMissing: no such blob, or a key outside our own prefix.
            BlobMismatch: another size or checksum than `ref` says.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete a blob; one that is gone already is no error."""
        ...

    def stored(self) -> Iterator[tuple[str, float]]:
        """The key of every blob and when it was stored, in epoch seconds."""
        ...
