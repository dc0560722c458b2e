# ruff: noqa: D102 - the contract carries the docstrings
"""The store of blobs in a bucket."""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from twolane.values.blob import BlobRef
from twolane.values.errors import (
    BlobError,
    BlobMismatch,
    BlobMissing,
    BlobTooLarge,
    SettingsError,
    TwolaneError,
)

PART_BYTES = 5 * 1024 * 1024
"""S3's smallest part of an upload; what is smaller goes in one request."""
IN_MEMORY_BYTES = 8 * 1024 * 1024
"""A blob that is read lies in memory up to here, beyond in a temporary file that has no name."""
CREDENTIALS_S = 900.0

_KEY = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{30}\.blob")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where blobs lie: a bucket, and what all keys stand below (empty: nothing)."""

    name: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")


def read_bucket(text: str) -> Bucket:
    """Read `s3://BUCKET/PREFIX`.

    Raises:
        SettingsError: it is none.
    """
    parts = urlsplit(text)
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise SettingsError(f"TWOLANE_BLOBS takes s3://BUCKET or s3://BUCKET/PREFIX, not {text!r}")
    return Bucket(parts.netloc, parts.path.strip("/"))


class S3Blobs:
    """Blobs (contract) in a bucket; safe from any thread and from several processes.

    Args:
        bucket: which.
        session: botocore's, for credentials and region; None: a new one, as the environment says.
        endpoint_url: where S3 is; None: as the environment says.
    """

    def __init__(self, bucket: Bucket, *, session: Any = None, endpoint_url: str | None = None) -> None:
        self.bucket = bucket
        self._prefix = f"{bucket.prefix}/" if bucket.prefix else ""
        self._session = session
        self._endpoint_url = endpoint_url

    def put(self, source: BinaryIO, *, name: str = "", limit_bytes: int | None = None) -> BlobRef:
        import obstore

        stem = secrets.token_hex(16)
        key = f"{stem[:2]}/{stem}.blob"
        counted = _Counted(source, limit_bytes)
        first = counted.read(PART_BYTES)
        rest = counted.read(1) if len(first) == PART_BYTES else b""
        with self._explained("stored"):
            if not rest:
                obstore.put(self._store, self._path(key), first, use_multipart=False)
            else:
                parts = counted.parts(first, rest)
                try:
                    obstore.put(
                        self._store, self._path(key), parts, use_multipart=True, chunk_size=PART_BYTES
                    )
                finally:
                    if counted.error is not None:
                        raise counted.error
        return BlobRef(key, counted.size, counted.digest.hexdigest(), name)

    def open(self, ref: BlobRef) -> BinaryIO:
        """Open a blob: all of it is fetched and verified first, so that no task works on half of a damaged one."""
        if not _KEY.fullmatch(ref.key):
            raise BlobMissing(f"{ref.key!r} is no key of a blob in {self.bucket}")
        reader = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, prefix="twolane-")  # noqa: SIM115  (the caller closes it)
        try:
            self._fetch(ref, reader)
        except BaseException:
            reader.close()
            raise
        reader.seek(0)
        return cast("BinaryIO", reader)

    def delete(self, key: str) -> None:
        import obstore

        if _KEY.fullmatch(key):
            with self._explained("deleted"):
                obstore.delete(self._store, self._path(key))

    def stored(self) -> Iterator[tuple[str, float]]:
        import obstore

        with self._explained("listed"):
            for page in obstore.list(self._store, self._prefix or None, chunk_size=1000):
                for found in page:
                    key = found["path"].removeprefix(self._prefix)
                    if _KEY.fullmatch(key):
                        yield key, found["last_modified"].timestamp()

    def _fetch(self, ref: BlobRef, into: Any) -> None:
        import obstore

        digest, size = hashlib.sha256(), 0
        with self._explained("read", ref.key):
            for chunk in obstore.get(self._store, self._path(ref.key)).stream(min_chunk_size=1024 * 1024):
                size += len(chunk)
                if size > ref.size_bytes:
                    break
                digest.update(chunk)
                into.write(chunk)
        if size != ref.size_bytes:
            raise BlobMismatch(
                f"the blob {ref.key} has another size than the {ref.size_bytes} of its message"
            )
        if digest.hexdigest() != ref.sha256:
            raise BlobMismatch(f"the blob {ref.key} has another sha256 than its message says")

    def _path(self, key: str) -> str:
        return f"{self._prefix}{key}"

    @cached_property
    def _store(self) -> Any:
        """Made at first use. Credentials, region and endpoint are found as the AWS SDK finds them."""
        from botocore.session import Session
        from obstore.store import S3Store

        session: Any = self._session or Session()
        endpoint_url = (
            self._endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        )
        where: dict[str, Any] = {}
        if endpoint_url:
            where = {
                "endpoint": endpoint_url,
                "virtual_hosted_style_request": False,
                "client_options": {"allow_http": endpoint_url.startswith("http://")},
            }
        region = session.get_config_variable("region") or "us-east-1"
        return S3Store(self.bucket.name, region=region, credential_provider=_credentials(session), **where)

    @contextmanager
    def _explained(self, verb: str, key: str | None = None) -> Generator[None]:
        try:
            yield
        except (TwolaneError, GeneratorExit):
            raise
        except ImportError as error:
            raise BlobError(f"blobs in S3 need obstore: pip install 'twolane[aws]' ({error})") from None
        except Exception as error:
            if key is not None and type(error).__name__ in ("NotFoundError", "FileNotFoundError"):
                raise BlobMissing(f"the blob {key} is not in {self.bucket}") from error
            told = str(error).partition("\n")[0][:500]
            raise BlobError(f"a blob cannot be {verb} in {self.bucket}: {told}") from error


def _credentials(session: Any) -> Any:
    """What obstore asks for credentials: the SDK's, which renews them by itself."""

    def provide() -> dict[str, Any]:
        found = session.get_credentials()
        if found is None:
            raise BlobError(
                "no AWS credentials were found: give this process a role, AWS_PROFILE or AWS_ACCESS_KEY_ID"
            )
        frozen = found.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + timedelta(seconds=CREDENTIALS_S),
        }

    return provide


class _Counted:
    """A source whose bytes are counted and summed as they are read.

    Attributes:
        size: how many came.
        digest: their sha256.
        error: why the reading ended early.
    """

    def __init__(self, source: BinaryIO, limit_bytes: int | None) -> None:
        self._source = source
        self._limit_bytes = limit_bytes
        self.size = 0
        self.digest = hashlib.sha256()
        self.error: Exception | None = None

    def read(self, most: int) -> bytes:
        """Up to so many bytes, fewer at the end only.

        Raises:
            BlobTooLarge: more than the limit came.
            BlobError: the source cannot be read.
        """
        parts = io.BytesIO()
        while parts.tell() < most and (chunk := self._some(most - parts.tell())):
            parts.write(chunk)
        return parts.getvalue()

    def parts(self, *begun: bytes) -> Iterator[bytes]:
        """All of it, in parts; `begun` was read before."""
        yield from begun
        try:
            while chunk := self.read(PART_BYTES):
                yield chunk
        except Exception as error:
            self.error = error
            raise

    def _some(self, most: int) -> bytes:
        try:
            chunk = cast("object", self._source.read(most))
        except TwolaneError:  # a reader of ours that counts
            raise
        except Exception as error:
            raise BlobError(f"the bytes to store cannot be read: {error}") from error
        if not isinstance(chunk, bytes):  # a text file, or a non-blocking one that has nothing now
            what = type(chunk).__name__
            raise BlobError(
                f"the bytes to store must come from a blocking binary reader; this one gave {what}"
            )
        self.size += len(chunk)
        if self._limit_bytes is not None and self.size > self._limit_bytes:
            raise BlobTooLarge(f"more than {self._limit_bytes} bytes: nothing was stored")
        self.digest.update(chunk)
        return chunk
