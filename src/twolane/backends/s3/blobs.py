# ruff: noqa: D102 - the contract carries the docstrings
"""The store of blobs in a bucket."""

from __future__ import annotations

import base64
import hashlib
import io
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

from twolane.backends.aws import AwsError, Service, endpoint_of_s3, new_session, way_out
from twolane.values.blob import NOT_UPLOADED, BlobRef, confirmed
from twolane.values.errors import (
    BlobError,
    BlobMismatch,
    BlobMissing,
    BlobTooLarge,
    SettingsError,
    TwolaneError,
    UploadRefused,
)

PART_BYTES = 5 * 1024 * 1024
"""S3's smallest part of an upload; what is smaller goes in one request."""
IN_MEMORY_BYTES = 8 * 1024 * 1024
"""A blob that is read lies in memory up to here, beyond in a temporary file that has no name."""
CREDENTIALS_S = 900.0
TAG = ("twolane", "done")
"""The tag of blobs whose tasks have all ended; the bucket's lifecycle rule deletes those and no others."""

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
    """Blobs (contract) in a bucket, which expire when they are free; safe from any thread and from several processes.

    Args:
        bucket: which.
        session: botocore's, for credentials and region; None: a new one, as the environment says.
        endpoint_url: where S3 is; None: as the environment says.
    """

    OWNER: str = "twolane-owner"

    def __init__(self, bucket: Bucket, *, session: Any = None, endpoint_url: str | None = None) -> None:
        self.bucket = bucket
        self._service = Service("s3", session=session, endpoint_url=endpoint_url)
        self._prefix = f"{bucket.prefix}/" if bucket.prefix else ""
        self._session = session
        self._endpoint_url = endpoint_url

    def put(self, source: BinaryIO, *, name: str = "", limit_bytes: int | None = None) -> BlobRef:
        import obstore

        key = self.new_key()
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

    def new_key(self) -> str:
        stem = secrets.token_hex(16)
        return f"{stem[:2]}/{stem}.blob"

    def form(
        self, key: str, *, content_type: str, limit_bytes: int, sha256: str, expires_s: float
    ) -> tuple[str, dict[str, str]] | None:
        """A presigned POST: S3 takes this key, this type, at most so many bytes, and this checksum where one is said."""
        fields = {"Content-Type": content_type}
        if sha256:
            fields |= {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": _in_base64(sha256)}
        with self._told():
            signed = self._service.call(
                "generate_presigned_post",
                f"signing an upload to {self.bucket}",
                Bucket=self.bucket.name,
                Key=self._path(key),
                Fields=dict(fields),
                Conditions=[
                    ["content-length-range", 0, limit_bytes],
                    *({name: value} for name, value in fields.items()),
                ],
                ExpiresIn=int(expires_s),
            )
        return signed["url"], signed["fields"]

    def put_as(self, key: str, source: BinaryIO, *, limit_bytes: int) -> None:
        del source, limit_bytes
        raise BlobError(f"blob {key} goes straight to {self.bucket}, not through the app")

    def confirm(self, key: str, *, name: str, limit_bytes: int, sha256: str) -> BlobRef:
        """S3 says the size, and the checksum where it was promised and looked at; else the bytes are read."""
        if not _KEY.fullmatch(key):
            raise UploadRefused(NOT_UPLOADED)
        try:
            with self._told(key):
                head = self._service.call(
                    "head_object",
                    f"looking at blob {key} in {self.bucket}",
                    Bucket=self.bucket.name,
                    Key=self._path(key),
                    ChecksumMode="ENABLED",
                )
        except BlobMissing:
            raise UploadRefused(NOT_UPLOADED) from None
        size = int(head["ContentLength"])
        confirmed(BlobRef(key, size, sha256, name), limit_bytes=limit_bytes, sha256=sha256)
        whole = head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
        told = head.get("ChecksumSHA256") if whole else None
        digest = base64.b64decode(told).hex() if told else self._read_digest(key, size)
        return confirmed(BlobRef(key, size, digest, name), limit_bytes=limit_bytes, sha256=sha256)

    def delete(self, key: str) -> None:
        import obstore

        if _KEY.fullmatch(key):
            with self._explained("deleted"):
                obstore.delete(self._store, self._path(key))

    def __str__(self) -> str:
        return str(self.bucket)

    def stored(self) -> Iterator[tuple[str, float]]:
        yield from self._listed(self._prefix)

    def stored_in(self, part: int) -> Iterator[tuple[str, float]]:
        yield from self._listed(f"{self._prefix}{part:x}")

    def release(self, key: str, *, afresh: bool) -> None:
        """Tag it, for the lifecycle rule. That goes by age, and a copy onto itself is new."""
        if not _KEY.fullmatch(key):
            raise BlobMissing(f"{key!r} is no key of a blob in {self.bucket}")
        where: dict[str, Any] = {"Bucket": self.bucket.name, "Key": self._path(key)}
        what = f"tagging blob {key} in {self.bucket}"
        with self._told(key):
            if afresh:
                self._service.call(
                    "copy_object", what, **where, CopySource=where, MetadataDirective="REPLACE",
                    TaggingDirective="REPLACE", Tagging=f"{TAG[0]}={TAG[1]}",
                )  # fmt: skip
            else:
                tag = {"TagSet": [{"Key": TAG[0], "Value": TAG[1]}]}
                self._service.call("put_object_tagging", what, **where, Tagging=tag)

    def claim(self, owner: str) -> str:
        import obstore

        path = self._path(self.OWNER)
        with self._explained("claimed"):
            try:
                obstore.put(self._store, path, owner.encode(), mode="create", use_multipart=False)
            except Exception as error:
                if type(error).__name__ != "AlreadyExistsError":
                    raise
                return bytes(obstore.get(self._store, path).bytes()).decode()
        return owner

    def _listed(self, prefix: str) -> Iterator[tuple[str, float]]:
        more: dict[str, Any] = {}
        while True:
            with self._told():
                page = self._service.call(
                    "list_objects_v2",
                    f"listing blobs in {self.bucket}",
                    Bucket=self.bucket.name,
                    Prefix=prefix,
                    **more,
                )
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(self._prefix)
                if _KEY.fullmatch(key):
                    yield key, found["LastModified"].timestamp()
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _read_digest(self, key: str, size: int) -> str:
        """The sha256 of what lies there now.

        Raises:
            UploadRefused: it is another one than a moment ago.
        """
        import obstore

        digest, came = hashlib.sha256(), 0
        with self._explained("read", key):
            for chunk in obstore.get(self._store, self._path(key)).stream(min_chunk_size=1024 * 1024):
                came += len(chunk)
                digest.update(chunk)
        if came != size:
            raise UploadRefused("the file was uploaded again while it was confirmed: confirm it again")
        return digest.hexdigest()

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

    @contextmanager
    def _told(self, key: str = "") -> Generator[None]:
        """AWS's errors as those of blobs."""
        try:
            yield
        except AwsError as error:
            if error.code in ("NoSuchKey", "404"):
                raise BlobMissing(f"the blob {key} is not in {self.bucket}") from error
            raise BlobError(str(error)) from error

    def _path(self, key: str) -> str:
        return f"{self._prefix}{key}"

    @cached_property
    def _store(self) -> Any:
        """Made at first use. Credentials, region and endpoint are found as the AWS SDK finds them."""
        from obstore.store import S3Store

        session = self._session or new_session()
        endpoint_url = endpoint_of_s3(self._endpoint_url)
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
            told = way_out(type(error).__name__) or str(error).partition("\n")[0][:500]
            raise BlobError(f"a blob cannot be {verb} in {self.bucket}: {told}") from error


def _in_base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


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
