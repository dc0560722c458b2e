"""Where the bytes come from: a path, a blob, or a file that somebody else opened and will close."""

from __future__ import annotations

import io
import os
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from twolane.values.errors import UsageError


class Readable(Protocol):
    """What is read forward only."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        ...


class BinaryReader(Readable, Protocol):
    """The part of a binary file that is used here."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Move to a byte and return where that is."""
        ...

    def tell(self) -> int:
        """Return the byte that is read next."""
        ...

    def close(self) -> None:
        """Give the file back."""
        ...


@runtime_checkable
class Openable(Protocol):
    """What a blob looks like from here."""

    def open(self) -> BinaryReader:
        """Return a seekable binary reader at byte 0."""
        ...


Source: TypeAlias = str | os.PathLike[str] | Openable | BinaryReader


@contextmanager
def opened(source: Source) -> Generator[BinaryReader, None, None]:
    """Open `source` for reading and close it afterwards; a file that was given open stays open."""
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file:
            yield file
    elif isinstance(source, Openable):
        with closing(source.open()) as reader:
            yield reader
    elif hasattr(source, "tell") and not isinstance(source, io.TextIOBase):
        yield source
    else:
        raise UsageError(
            f"csvfile reads a blob, a path or a seekable file open in binary mode ('rb'), not {type(source).__name__}: "
            "of an UploadFile give it the .file"
        )


def read_fully(reader: Readable, size_bytes: int) -> bytes:
    """Return `size_bytes` bytes, fewer only at the end of the file: a raw stream may answer with less."""
    data = reader.read(size_bytes)
    while data and len(data) < size_bytes and (more := reader.read(size_bytes - len(data))):
        data += more
    return data
