"""Bytes kept outside a message: what a message says of them (claim check)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from twolane.values.errors import BlobError, UploadRefused


@dataclass(frozen=True, slots=True)
class BlobRef:
    """What a message says of a blob.

    Attributes:
        key: where the bytes lie in the store; made by twolane, never by a caller.
        size_bytes: how many bytes.
        sha256: their checksum, in hexadecimal.
        name: the file name the uploader gave, for people; may be empty.
    """

    key: str
    size_bytes: int
    sha256: str
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """The form in an envelope."""
        return {"key": self.key, "size_bytes": self.size_bytes, "sha256": self.sha256, "name": self.name}

    @classmethod
    def from_json(cls, value: object) -> BlobRef:
        """Read the form in an envelope.

        Raises:
            ValueError: the value is no such form.
        """
        if not isinstance(value, Mapping):
            raise ValueError("a blob is an object with key, size_bytes, sha256 and name")
        fields = cast("Mapping[str, object]", value)
        key, size, digest = fields.get("key"), fields.get("size_bytes"), fields.get("sha256")
        name = fields.get("name", "")
        if not (isinstance(key, str) and isinstance(digest, str) and isinstance(name, str)):
            raise ValueError("a blob's key, sha256 and name are strings")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ValueError("a blob's size_bytes is a whole number of 0 or more")
        return cls(key, size, digest, name)


NOT_UPLOADED = "nothing was uploaded with this form yet: upload the file first, then confirm it"


def confirmed(found: BlobRef, *, limit_bytes: int, sha256: str) -> BlobRef:
    """What was found, if it is what was promised.

    Raises:
        UploadRefused: it is not.
    """
    if found.size_bytes > limit_bytes:
        raise UploadRefused(f"the uploaded file has {found.size_bytes} bytes, its form allowed {limit_bytes}")
    if sha256 and found.sha256 != sha256:
        raise UploadRefused("another file was uploaded than the one whose checksum was promised")
    return found


Opener = Callable[[BlobRef], BinaryIO]


class Blob:
    """A blob as a task gets it: what is known of the bytes, and a way to read them.

    Args:
        ref: what the message says of the bytes.
        opener: opens them; a worker binds it to the store, a test may pass its own.
    """

    __slots__ = ("_opener", "ref")

    def __init__(self, ref: BlobRef, opener: Opener | None = None) -> None:
        self.ref = ref
        self._opener = opener

    @property
    def size_bytes(self) -> int:
        """How many bytes."""
        return self.ref.size_bytes

    @property
    def sha256(self) -> str:
        """The checksum of the bytes, in hexadecimal."""
        return self.ref.sha256

    @property
    def name(self) -> str:
        """The file name the uploader gave; may be empty."""
        return self.ref.name

    def open(self) -> BinaryIO:
        """Open the bytes for reading: a seekable binary reader, to be closed by the caller.

        Raises:
            BlobMissing: the bytes are gone.
            BlobMismatch: they have another size or checksum than the message says.
        """
        if self._opener is None:
            raise BlobError("this blob is not bound to a store: a worker binds it when it runs the task")
        return self._opener(self.ref)

    def __repr__(self) -> str:
        return f"Blob({self.ref!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blob) and self.ref == other.ref

    def __hash__(self) -> int:
        return hash(self.ref)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """How pydantic reads and writes a blob: as its reference.

        The context of a validation binds it (`open_blob`), that of a dump collects it (`blobs`).
        """
        from pydantic_core import core_schema

        def read(value: Any, info: Any) -> Blob:
            if isinstance(value, Blob):
                return value
            context: dict[str, Any] = info.context or {}
            return Blob(BlobRef.from_json(value), context.get("open_blob"))

        def write(value: Blob, info: Any) -> dict[str, Any]:
            if info.context is not None and "blobs" in info.context:
                info.context["blobs"].append(value)
            return value.ref.to_json()

        return core_schema.with_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(write, info_arg=True)
        )
