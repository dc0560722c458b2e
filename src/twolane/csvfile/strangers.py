"""What people upload in place of a CSV file, told by its first bytes."""

from __future__ import annotations

import re
from typing import Final

from twolane.csvfile.errors import CsvError

ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
GZIP: Final = b"\x1f\x8b"

_BY_MAGIC = (
    (b"\xd0\xcf\x11\xe0", "an old Office document such as an Excel workbook (.xls)"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x89PNG", "a picture (.png)"),
    (b"\xff\xd8\xff", "a picture (.jpg)"),
    (b"GIF8", "a picture (.gif)"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\xff\xfe\0\0", "UTF-32 text"),
    (b"\0\0\xfe\xff", "UTF-32 text"),
)
_ARCHIVES = (*((magic, "a ZIP archive") for magic in ZIP), (GZIP, "a gzip archive"))
_BY_TEXT = (
    (re.compile(rb"\s*+<(?:!doctype html|html|head|body|table)\b", re.IGNORECASE), "a web page (HTML)"),
    (re.compile(rb"\s*+<\?xml\b"), "an XML document"),
    (re.compile(rb'\s*+(?:\[\s*+\{|\{\s*+")'), "a JSON document"),
)


def refuse_binary(start: bytes, archive: str | None) -> None:
    """Raise CsvError where the first bytes of a file, or of what an archive holds, are no text at all."""
    strangers = _BY_MAGIC + (_ARCHIVES if archive else ())
    what = next((what for magic, what in strangers if start.startswith(magic)), None)
    if what is not None:
        _refuse(what, archive)


def refuse_markup(start: bytes, archive: str | None) -> None:
    """Raise CsvError where text, brought into an encoding like ASCII, begins like another kind of document."""
    what = next((what for form, what in _BY_TEXT if form.match(start)), None)
    if what is not None:
        _refuse(what, archive)


def _refuse(what: str, archive: str | None) -> None:
    begin = f"The {archive} archive holds" if archive else "This is"
    raise CsvError(f"{begin} {what}, not a CSV file: save it as CSV (UTF-8) and upload that.")
