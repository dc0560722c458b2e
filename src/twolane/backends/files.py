"""Blobs as files of a local folder, durable when `put` returns (L1).

A blob is written to `ab/ab....part`, made durable, renamed to `ab/ab....blob`; then the folder is
made durable too. So a reader sees a whole blob or none, whatever is killed when. A `.part` is what a
killed upload left: `stored()` names it beside the blobs, so that the rule for bytes which no message
names ("after a day") removes it as well. Floor 3: knows the contract, not the engine.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from twolane.contracts.clock import Clock
from twolane.values.blob import NOT_UPLOADED, BlobRef, confirmed
from twolane.values.errors import (
    BlobError,
    BlobMismatch,
    BlobMissing,
    BlobTooLarge,
    TwolaneError,
    UploadRefused,
)

CHUNK_BYTES = 256 * 1024
"""How much of an upload is in memory at a time."""

_STEM = re.compile(r"[0-9a-f]{32}")
_FOLDER = re.compile(r"[0-9a-f]{2}")
_FILE = re.compile(r"[0-9a-f]{32}\.(?:blob|part)")
_NOT_THERE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO)
_ADVICE = {
    errno.ENOSPC: "the disk is full: make room there",
    errno.EDQUOT: "the disk quota is used up: make room there",
    errno.EFBIG: "the file would be larger than this process or file system allows",
    errno.EACCES: "this user may not use it: check its owner and mode",
    errno.EPERM: "this user may not use it: check its owner and mode",
    errno.EROFS: "the file system is read-only",
}


def _random_name() -> str:
    return secrets.token_hex(16)


class FileBlobs:
    """A store of blobs in a local folder; safe from any thread and from several processes.

    Args:
        folder: where the blobs lie; made at the first `put`, for this user alone (0700, files 0600).
        clock: tells when a blob was stored.
        new_name: 32 hexadecimal digits for a new blob; random, so that two uploads never meet.
    """

    def __init__(
        self, folder: str | Path, *, clock: Clock, new_name: Callable[[], str] = _random_name
    ) -> None:
        self.folder = Path(folder).absolute()
        self._clock = clock
        self._new_name = new_name
        self._durable: set[Path] = set()

    def put(self, source: BinaryIO, *, name: str = "", limit_bytes: int | None = None) -> BlobRef:
        """Store what `source` yields from its present position, in constant memory; durable on return.

        Args:
            source: a binary reader.
            name: the uploader's file name, kept in the reference only, never a path.
            limit_bytes: more bytes than this are refused and nothing stays behind.

        Raises:
            BlobTooLarge: more than `limit_bytes`.
            BlobError: the disk is full, the folder cannot be written, the source cannot be read.
        """
        stem = self._new_stem()
        key = f"{stem[:2]}/{stem}.blob"
        with self._explained("stored"):
            self._make_folder(self.folder)
            self._make_folder(self.folder / key[:2])
            with self._opened_folder(key) as folder:
                size, digest = self._store(folder, stem, source, limit_bytes)
        return BlobRef(key, size, digest, name)

    def open(self, ref: BlobRef) -> BinaryIO:
        """Open a blob: a seekable binary reader, to be closed by the caller.

        Size and checksum of the whole are verified here, so that no task ever works on half of a
        damaged file. That reads the file once, in constant memory: about 7 ms for 10 MB.

        Raises:
            BlobMissing: no such blob, or a key that is none of ours.
            BlobMismatch: another size or checksum than `ref` says.
            BlobError: it cannot be read.
        """
        with self._explained("read", ref.key):
            reader = os.fdopen(self._open_file(ref.key), "rb")
            try:
                self._verify(reader, ref)
            except BaseException:
                reader.close()
                raise
        return reader

    def new_key(self) -> str:
        """A key for bytes that come later."""
        stem = self._new_stem()
        return f"{stem[:2]}/{stem}.blob"

    def form(
        self, key: str, *, content_type: str, limit_bytes: int, sha256: str, expires_s: float
    ) -> tuple[str, dict[str, str]] | None:
        """None: a folder takes no uploads, the app does."""
        del key, content_type, limit_bytes, sha256, expires_s
        return None

    def put_as(self, key: str, source: BinaryIO, *, limit_bytes: int) -> None:
        """As `put`, under a key of `new_key`; raises the same."""
        if not _is_ours(key, ".blob"):
            raise BlobError(f"{key!r} is no key of a blob in {self.folder}")
        with self._explained("stored"):
            self._make_folder(self.folder)
            self._make_folder(self.folder / key[:2])
            with self._opened_folder(key) as folder:
                self._store(folder, key[3:-5], source, limit_bytes)

    def confirm(self, key: str, *, name: str, limit_bytes: int, sha256: str) -> BlobRef:
        """What lies under a key, read for its checksum; see the contract."""
        try:
            with self._explained("read", key), os.fdopen(self._open_file(key), "rb") as reader:
                size = os.fstat(reader.fileno()).st_size
                digest = hashlib.file_digest(reader, "sha256").hexdigest()
        except BlobMissing:
            raise UploadRefused(NOT_UPLOADED) from None
        return confirmed(BlobRef(key, size, digest, name), limit_bytes=limit_bytes, sha256=sha256)

    def delete(self, key: str) -> None:
        """Delete a blob or a leftover; one that is gone already, or a key that is none of ours, is no error."""
        if not _is_ours(key, ".blob", ".part"):
            return
        with suppress(BlobMissing), self._explained("deleted", key), self._opened_folder(key) as folder:
            os.unlink(key[3:], dir_fd=folder)

    def stored(self) -> Iterator[tuple[str, float]]:
        """The key of every blob and of every killed upload's leftover, and when it was stored.

        For a leftover that is the time of its last write, so that a running upload is never an old one.
        """
        with self._explained("listed"):
            for folder in _entries(self.folder):
                if _FOLDER.fullmatch(folder.name) and folder.is_dir(follow_symlinks=False):
                    yield from _files(folder)

    def _new_stem(self) -> str:
        stem = self._new_name()
        if not _STEM.fullmatch(stem):
            raise ValueError(f"a blob's name is 32 hexadecimal digits, not {stem!r}")
        return stem

    def _make_folder(self, folder: Path) -> None:
        """Make a folder where it is missing, and make that durable.

        A folder that is there already may be the work of a process that was killed before its fsync:
        its first use by this object syncs the parent all the same.
        """
        made = False
        with suppress(FileExistsError):
            try:
                folder.mkdir(0o700)
            except FileNotFoundError:
                self._make_folder(folder.parent)
                folder.mkdir(0o700)
            made = True
        if made or folder not in self._durable:
            _sync_parent(folder, must=made)
            self._durable.add(folder)

    def _store(self, folder: int, stem: str, source: BinaryIO, limit_bytes: int | None) -> tuple[int, str]:
        part, final = f"{stem}.part", f"{stem}.blob"
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        try:
            try:
                known = _copy(source, file, limit_bytes)
                now_ns = int(self._clock.now() * 1e9)
                os.utime(file, ns=(now_ns, now_ns))
                _sync(file)
            finally:
                os.close(file)
            os.rename(part, final, src_dir_fd=folder, dst_dir_fd=folder)
            _sync(folder)
        except BaseException:
            for leftover in (part, final):
                with suppress(OSError):
                    os.unlink(leftover, dir_fd=folder)
            raise
        return known

    def _open_file(self, key: str) -> int:
        if not _is_ours(key, ".blob"):
            raise BlobMissing(f"{key!r} is no key of a blob in {self.folder}")
        with self._opened_folder(key) as folder:
            # O_NONBLOCK: a FIFO that somebody put there must not hang the task.
            file = os.open(key[3:], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise BlobMissing(f"{key!r} in {self.folder} is no file")
        return file

    @contextmanager
    def _opened_folder(self, key: str) -> Generator[int, None, None]:
        """The descriptor of the key's folder: what follows cannot leave it, symlinks or not."""
        folder = os.open(self.folder / key[:2], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield folder
        finally:
            os.close(folder)

    def _verify(self, reader: BufferedReader, ref: BlobRef) -> None:
        size = os.fstat(reader.fileno()).st_size
        if size != ref.size_bytes:
            raise BlobMismatch(f"the blob {ref.key} has {size} bytes, its message says {ref.size_bytes}")
        digest = hashlib.file_digest(reader, "sha256").hexdigest()
        if digest != ref.sha256:
            raise BlobMismatch(f"the blob {ref.key} has the sha256 {digest}, its message says {ref.sha256}")
        reader.seek(0)

    @contextmanager
    def _explained(self, verb: str, key: str | None = None) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            if key is not None and error.errno in _NOT_THERE:
                raise BlobMissing(f"the blob {key} is not in {self.folder}") from error
            advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
            raise BlobError(f"the blob cannot be {verb} in {self.folder}: {advice}") from error


def _is_ours(key: str, *suffixes: str) -> bool:
    return (
        key[2:3] == "/"
        and _FILE.fullmatch(key, 3) is not None
        and key[:2] == key[3:5]
        and key.endswith(suffixes)
    )


def _copy(source: BinaryIO, file: int, limit_bytes: int | None) -> tuple[int, str]:
    """Copy all that comes; the size and the sha256 of it."""
    digest, size = hashlib.sha256(), 0
    while chunk := _read(source):
        size += len(chunk)
        if limit_bytes is not None and size > limit_bytes:
            raise BlobTooLarge(f"more than {limit_bytes} bytes: nothing was stored")
        digest.update(chunk)
        _write_all(file, chunk)
    return size, digest.hexdigest()


def _read(source: BinaryIO) -> bytes:
    try:
        chunk = cast("object", source.read(CHUNK_BYTES))
    except TwolaneError:  # a reader of ours that counts
        raise
    except Exception as error:
        raise BlobError(f"the bytes to store cannot be read: {error}") from error
    if not isinstance(chunk, bytes):  # a text file, or a non-blocking one that has nothing now
        what = type(chunk).__name__
        raise BlobError(f"the bytes to store must come from a blocking binary reader; this one gave {what}")
    return chunk


def _write_all(file: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(file, view) :]


def _sync(file: int) -> None:
    """Make a file's bytes durable. On macOS only F_FULLFSYNC reaches the disk itself."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        with suppress(OSError):  # a file system that knows no such thing
            fcntl.fcntl(file, full)
            return
    os.fsync(file)


def _sync_parent(folder: Path, *, must: bool) -> None:
    try:
        file = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        if must:
            raise
        return
    try:
        _sync(file)
    finally:
        os.close(file)


def _entries(folder: Path | os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        yield from entries


def _files(folder: os.DirEntry[str]) -> Iterator[tuple[str, float]]:
    for entry in _entries(folder):
        key = f"{folder.name}/{entry.name}"
        if _is_ours(key, ".blob", ".part"):
            with suppress(FileNotFoundError):  # deleted since it was listed
                yield key, entry.stat(follow_symlinks=False).st_mtime
