"""Uploads past the endpoint: a form for the client, then a token, then a blob like any other."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from secrets import token_bytes
from typing import BinaryIO

from twolane.contracts.blobs import Blobs
from twolane.contracts.clock import Clock
from twolane.engine.uploads import LateBlob
from twolane.values.blob import BlobRef
from twolane.values.errors import UsageError
from twolane.values.upload_form import Promise, UploadForm, sealed, unsealed

UPLOADING_S = 3600.0
"""So long an upload may take that has begun in time."""
LONGEST_S = 12 * 3600.0
"""A form cannot last longer than the credentials that sign it, which are a role's."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w-]+=[\w.-]+)*", re.ASCII)


class UploadedBlob(LateBlob):
    """A blob whose bytes a client has put in their place; looked at when the batch is stored.

    Args:
        promise: what the client's token says.
    """

    __slots__ = ("_promise",)

    def __init__(self, promise: Promise) -> None:
        super().__init__(BlobRef(promise.key, 0, promise.sha256, promise.name))
        self._promise = promise

    def _stored(self, blobs: Blobs) -> BlobRef:
        said = self._promise
        return blobs.confirm(said.key, name=said.name, limit_bytes=said.max_bytes, sha256=said.sha256)


class UploadForms:
    """Makes forms, and reads the tokens that come back.

    Args:
        blobs: the store; opened at the first form.
        secret: what tokens are sealed with; read at the first form. None: one of this process alone.
        clock: the time of their ends.
        limit_bytes: the largest upload.
    """

    def __init__(
        self,
        blobs: Callable[[], Blobs],
        secret: Callable[[], bytes] | None,
        clock: Clock,
        *,
        limit_bytes: int,
    ) -> None:
        self._blobs = blobs
        own = token_bytes(32)
        self._secret = secret or (lambda: own)
        self._now = clock.now
        self._limit_bytes = limit_bytes

    def form(
        self,
        *,
        name: str,
        content_type: str,
        max_bytes: int | None,
        sha256: str | None,
        owner: str,
        expires_s: float,
        here: Callable[[str], str],
    ) -> UploadForm:
        """A form for one file; see `RequestLanes.upload_form`. `here` tells where the app itself takes it."""
        limit = self._limit_bytes if max_bytes is None else max_bytes
        if not 1 <= limit <= self._limit_bytes:
            raise UsageError(
                f"max_bytes is between 1 and the upload limit of {self._limit_bytes}, not {limit}"
            )
        if not 1 <= expires_s <= LONGEST_S:
            raise UsageError(f"expires_s is between 1 and {LONGEST_S:g} seconds, not {expires_s:g}")
        if sha256 and not _SHA256.fullmatch(sha256):
            raise UsageError(
                "sha256 is the checksum of the whole file, as 64 hexadecimal digits in small letters"
            )
        if not _CONTENT_TYPE.fullmatch(content_type):
            raise UsageError(f"content_type is a media type such as text/csv, not {content_type!r}")
        blobs, until = self._blobs(), self._now() + expires_s
        key = blobs.new_key()
        token = sealed(
            Promise(key, name, content_type, limit, sha256 or "", owner, until + UPLOADING_S), self._secret()
        )
        posting = blobs.form(
            key, content_type=content_type, limit_bytes=limit, sha256=sha256 or "", expires_s=expires_s
        )
        url, fields = (here(token), {}) if posting is None else posting
        return UploadForm(url, fields, token, datetime.fromtimestamp(until, UTC), limit)

    def uploaded(self, token: str, *, owner: str) -> UploadedBlob:
        """The blob that a token promises; whether it is there is seen when the batch is stored.

        Raises:
            UploadRefused: no token of ours, somebody else's, or too old.
        """
        return UploadedBlob(unsealed(token, self._secret(), owner=owner, now=self._now()))

    def promised(self, token: str) -> Promise:
        """What a token says, whoever it was made for: for the app's own upload route.

        Raises:
            UploadRefused: no token of ours, or its form has ended.
        """
        return unsealed(token, self._secret(), owner=None, now=self._now() + UPLOADING_S)

    def take(self, promise: Promise, source: BinaryIO) -> None:
        """Store what a client sends to the app itself. Blocks.

        Raises:
            BlobTooLarge: more bytes than promised.
            BlobError: they cannot be stored.
        """
        self._blobs().put_as(promise.key, source, limit_bytes=promise.max_bytes)
