"""Finds the one file of a ZIP archive, and refuses archives that hold anything else."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from twolane.csvfile.errors import CsvError, damaged, listed
from twolane.csvfile.source import BinaryReader, read_fully

_MAX_DIRECTORY_BYTES = 1_048_576
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_ODD_PATH = re.compile(r"[/\\]|[A-Za-z]:|(?:.*[/\\])?\.\.(?:[/\\]|\Z)|.*[\x00-\x1f\\]", re.DOTALL)
_ARCHIVE_NAME = re.compile(r".*\.(?:zip|gz|tgz|7z|rar|bz2|xz|tar|zst)", re.IGNORECASE | re.DOTALL)
_OFFICE = {
    "xl/": "an Excel workbook (.xlsx)",
    "word/": "a Word document (.docx)",
    "ppt/": "a presentation (.pptx)",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """The file in an archive: where its packed bytes stand, how many, and what they unpack to."""

    begin: int
    packed_bytes: int
    size_bytes: int
    checksum: int
    is_deflated: bool


class _BeforeTheFile(OSError):
    """What a file says of an offset below 0; `zipfile` tries such places."""


class _Directory:
    """What `zipfile` reads an archive through: it may not take a directory of millions of names into memory."""

    def __init__(self, reader: BinaryReader, size_bytes: int) -> None:
        self._reader, self._size_bytes = reader, size_bytes

    def read(self, size: int = -1, /) -> bytes:
        size = self._size_bytes - self._reader.tell() if size < 0 else size
        if size > _MAX_DIRECTORY_BYTES:
            raise CsvError("The ZIP archive holds too many files: upload one CSV file, or an archive of one.")
        return read_fully(self._reader, max(size, 0))

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._reader.tell(), os.SEEK_END: self._size_bytes}[whence]
        if begin + offset < 0:
            raise _BeforeTheFile
        return self._reader.seek(begin + offset)

    def tell(self) -> int:
        return self._reader.tell()


def entry_in(reader: BinaryReader) -> Entry:
    """Return the one file that the ZIP archive in `reader` holds. What a Mac adds beside it does not count.

    Raises:
        CsvError: it holds none or several, an encrypted one, another archive, or one with an odd path;
            is an Office document; or is damaged.
    """
    size_bytes = reader.seek(0, os.SEEK_END)
    try:
        with ZipFile(_Directory(reader, size_bytes)) as archive:
            infos = archive.infolist()
    except (
        _BeforeTheFile,
        BadZipFile,
        NotImplementedError,
        struct.error,
        ValueError,
        OverflowError,
        IndexError,
    ) as error:
        if isinstance(error, CsvError):
            raise
        raise damaged("ZIP") from error
    info = _only(infos)
    _refuse_odd(info)
    if info.header_offset < 0:  # computed by `zipfile` from a place of the directory that is not true
        raise damaged("ZIP")
    reader.seek(info.header_offset)
    header = read_fully(reader, _LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise damaged("ZIP")
    _, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
    begin = info.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes
    if begin + info.compress_size > size_bytes:
        raise damaged("ZIP")
    return Entry(begin, info.compress_size, info.file_size, info.CRC, info.compress_type == ZIP_DEFLATED)


def _only(infos: list[ZipInfo]) -> ZipInfo:
    names = [info.filename for info in infos]
    if "[Content_Types].xml" in names:
        what = next(
            (what for folder, what in _OFFICE.items() if any(n.startswith(folder) for n in names)), None
        )
        _refuse_document(what or "an Office document")
    if names[:1] == ["mimetype"]:
        _refuse_document("an OpenDocument file such as a spreadsheet (.ods)")
    # Not `is_dir`, which takes for granted that a file has a name.
    files = [info for info in infos if not info.filename.endswith("/") and not _is_of_a_mac(info.filename)]
    if not files:
        raise CsvError("The ZIP archive is empty: it must hold one CSV file.")
    if len(files) > 1:
        shown = listed([info.filename for info in files])
        raise CsvError(
            f"The ZIP archive holds {len(files):,} files: {shown}. Upload one CSV file, or an archive of one."
        )
    return files[0]


def _refuse_document(what: str) -> None:
    raise CsvError(f"This is {what}, not a CSV file: save it as CSV (UTF-8) and upload that.")


def _is_of_a_mac(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"


def _refuse_odd(info: ZipInfo) -> None:
    (name,) = [listed([info.filename])]
    if info.flag_bits & _ENCRYPTED:
        raise CsvError("The ZIP archive is protected by a password: pack the CSV file without one.")
    if _ODD_PATH.match(info.orig_filename):
        raise CsvError(f"The ZIP archive holds a file with the odd path {name}: upload the CSV file itself.")
    if _ARCHIVE_NAME.fullmatch(info.filename):
        raise CsvError(f"The ZIP archive holds another archive, {name}: upload the CSV file itself.")
    if info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise CsvError(f"The ZIP archive packs {name} in an unusual way: upload the CSV file itself.")
