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

    # Bytes that a client brings to their place itself, past the endpoint

    def new_key(self) -> str:
        """A key that no blob has had."""
        ...

    def form(
        self, key: str, *, content_type: str, limit_bytes: int, sha256: str, expires_s: float
    ) -> tuple[str, dict[str, str]] | None:
        """Where a client posts a file to, and with which fields; None: to the app, which calls `put_as`.

        Raises:
            BlobError: it cannot be signed.
        """
        ...

    def put_as(self, key: str, source: BinaryIO, *, limit_bytes: int) -> None:
        """As `put`, under a key of `new_key`; what was there is replaced as a whole."""
        ...

    def confirm(self, key: str, *, name: str, limit_bytes: int, sha256: str) -> BlobRef:
        """What lies under a key of `new_key`, with its size and checksum.

        Args:
            key: the key.
            name: the uploader's file name.
            limit_bytes: it must not have more.
            sha256: its checksum as it was promised; empty: none was, and it is read.

        Raises:
            UploadRefused: nothing lies there, or something else than was promised.
            BlobError: it cannot be looked at.
        """
        ...


PARTS = 16
"""Into so many parts of about one size the blobs of an expiring store fall, by how their keys begin."""


class ExpiringBlobs(Blobs, Protocol):
    """A store that forgets what is free by a rule of its own, by age (S3: the bucket's lifecycle)."""

    OWNER: str
    """The key of what says whose the place is."""

    def release(self, key: str, *, afresh: bool) -> None:
        """A blob is free: nobody needs it, and the store's rule may delete it. Twice is harmless.

        Args:
            key: the blob's.
            afresh: its age begins anew; it was stored so long ago that it would go at once.

        Raises:
            BlobMissing: it is gone already.
            BlobError: it may not be known.
        """
        ...

    def stored_in(self, part: int) -> Iterator[tuple[str, float]]:
        """As `stored`, for one part, from 0 to `PARTS - 1`."""
        ...

    def claim(self, owner: str) -> str:
        """Whose the place is: from now on `owner`'s, if it was nobody's."""
        ...
