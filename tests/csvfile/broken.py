"""Each kind of broken file, as bytes, and the sentence its customer gets. Nothing here needs pytest.

`REFUSED` are files that cannot be imported as a whole (`CsvError`, at the head), `ROWS` files of which one row is
rejected (line and reason). All are meant for a model of `number: str` and `seats: int`.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass

GOOD = b"number,seats\nUA1,1\nUA2,2\n"


@dataclass(frozen=True)
class Broken:
    kind: str
    data: bytes
    sentence: str
    line: int | None = None

    def __str__(self) -> str:
        return self.kind.replace(" ", "-")


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as writer:
        for name, data in files:
            writer.writestr(name, data)
    return archive.getvalue()


def encrypted() -> bytes:
    """An archive that says of its file that it is encrypted, in both of its places."""
    data = bytearray(zipped(("a.csv", GOOD)))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1
    return bytes(data)


def with_wrong_checksum() -> bytes:
    packed = bytearray(gzip.compress(GOOD))
    packed[-8] ^= 1
    return bytes(packed)


SAVE_AS = "not a CSV file: save it as CSV (UTF-8) and upload that."
EMPTY = "The file is empty: it needs a header row with the names of the columns."
DAMAGED = "archive is damaged or cut off: pack the file anew and upload that."
QUOTE = "a quote that opens on line {} is never closed"

REFUSED = [
    Broken("of 0 bytes", b"", EMPTY),
    Broken("only blank lines", b"\r\n\n\r", EMPTY),
    Broken("only a byte order mark", b"\xef\xbb\xbf", EMPTY),
    Broken("only a byte order mark of UTF-16", b"\xff\xfe", EMPTY),
    Broken("only a header", b"number,seats\n\n", "The file has a header row, but no rows below it."),
    Broken(
        "another table",
        b"name,age\nada,36\n",
        "The file lacks the columns 'number', 'seats'; its header row has 'name', 'age'.",
    ),
    Broken(
        "a column missing",
        b"number,gate\nUA1,7\n",
        "The file lacks the column 'seats'; its header row has 'number', 'gate'.",
    ),
    Broken(
        "no header",
        b"UA1,1\nUA2,2\n",
        "The file lacks the columns 'number', 'seats'; its header row has 'UA1', '1'. "
        "That looks like a row of data: the first row must hold the names of the columns.",
    ),
    Broken(
        "another separator",
        b"number:seats\nUA1:1\n",
        "The file lacks the columns 'number', 'seats'; its header row has 'number:seats'. "
        "Its fields must be separated by commas, semicolons, tabs or '|'.",
    ),
    Broken(
        "a column twice",
        b"number,seats,seats\nUA1,1,2\n",
        "The header row names a column twice: 'seats'.",
    ),
    Broken(
        "a column twice in other letters",
        b"number,Seats,SEATS\nUA1,1,2\n",
        "The header row has 2 columns for 'seats': 'Seats', 'SEATS'.",
    ),
    Broken(
        "an open quote in the header",
        b'number,"seats\nUA1,1\n',
        "The header row has a quote that is never closed.",
    ),
    Broken(
        "text behind a quote in the header",
        b'"number"x,seats\nUA1,1\n',
        "The header row has text behind a closing quote: a quote inside a quoted name must be doubled.",
    ),
    Broken(
        "a million columns",
        f"c{',c'.join(map(str, range(1_000_000)))}\n".encode(),
        "The file has more than 1,000 columns, which is the limit.",
    ),
    Broken(
        "a header without end",
        b"x" * 2_000_000,
        "The header row does not end within 1,048,576 bytes: is this a CSV file?",
    ),
    Broken(
        "letters of an unknown encoding",
        b"number,seats\n" + "東京,1\n".encode("cp932"),
        "The encoding of the file's letters cannot be told: save it as CSV (UTF-8) and upload that.",
    ),
    Broken(
        "NUL bytes in the header",
        b"num\0ber,seats,and,many,more,columns\nUA1,1\n",
        "The file begins with bytes that are no text: this is not a CSV file.",
    ),
    Broken(
        "binary junk",
        bytes(range(256)) * 8,
        "The file begins with bytes that are no text: this is not a CSV file.",
    ),
    Broken("a web page", b"\n<!DOCTYPE html>\n<html></html>", f"This is a web page (HTML), {SAVE_AS}"),
    Broken("XML", b'<?xml version="1.0"?><rows/>', f"This is an XML document, {SAVE_AS}"),
    Broken("JSON", b'[\n  {"number": "UA1"}\n]', f"This is a JSON document, {SAVE_AS}"),
    Broken("PDF", b"%PDF-1.7\n%\xe2\xe3", f"This is a PDF document, {SAVE_AS}"),
    Broken("a picture", b"\x89PNG\r\n\x1a\n\0\0", f"This is a picture (.png), {SAVE_AS}"),
    Broken(
        "an old Excel workbook",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        f"This is an old Office document such as an Excel workbook (.xls), {SAVE_AS}",
    ),
    Broken(
        "an Excel workbook",
        zipped(("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>")),
        f"This is an Excel workbook (.xlsx), {SAVE_AS}",
    ),
    Broken(
        "an OpenDocument spreadsheet",
        zipped(("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", b"<a/>")),
        f"This is an OpenDocument file such as a spreadsheet (.ods), {SAVE_AS}",
    ),
    Broken("UTF-32", "number,seats\nUA1,1\n".encode("utf-32"), f"This is UTF-32 text, {SAVE_AS}"),
    Broken("a 7z archive", b"7z\xbc\xaf\x27\x1c\0\4", f"This is a 7z archive, {SAVE_AS}"),
    Broken("an empty ZIP", zipped(), "The ZIP archive is empty: it must hold one CSV file."),
    Broken(
        "a ZIP of two files",
        zipped(("a.csv", GOOD), ("b.csv", GOOD)),
        "The ZIP archive holds 2 files: 'a.csv', 'b.csv'. Upload one CSV file, or an archive of one.",
    ),
    Broken(
        "a ZIP with a password",
        encrypted(),
        "The ZIP archive is protected by a password: pack the CSV file without one.",
    ),
    Broken(
        "a ZIP in a ZIP",
        zipped(("a.zip", zipped(("a.csv", GOOD)))),
        "The ZIP archive holds another archive, 'a.zip': upload the CSV file itself.",
    ),
    Broken(
        "a gzip in a ZIP",
        zipped(("a.csv", gzip.compress(GOOD))),
        f"The ZIP archive holds a gzip archive, {SAVE_AS}",
    ),
    Broken(
        "a PDF in a gzip", gzip.compress(b"%PDF-1.7"), f"The gzip archive holds a PDF document, {SAVE_AS}"
    ),
    Broken(
        "a ZIP with a path upwards",
        zipped(("../../etc/passwd", GOOD)),
        "The ZIP archive holds a file with the odd path '../../etc/passwd': upload the CSV file itself.",
    ),
    Broken(
        "a ZIP packed with bzip2",
        zipped(("a.csv", GOOD), method=zipfile.ZIP_BZIP2),
        "The ZIP archive packs 'a.csv' in an unusual way: upload the CSV file itself.",
    ),
    Broken("a ZIP cut off", zipped(("a.csv", GOOD * 100))[:-30], f"The ZIP {DAMAGED}"),
    Broken("a gzip cut off", gzip.compress(GOOD * 100)[:-12], f"The gzip {DAMAGED}"),
    Broken("a gzip that is damaged", with_wrong_checksum(), f"The gzip {DAMAGED}"),
    Broken("a gzip with something behind it", gzip.compress(GOOD) + b"more", f"The gzip {DAMAGED}"),
    Broken("an empty gzip", gzip.compress(b""), EMPTY),
    Broken(
        "a bomb",
        zipped(("a.csv", GOOD + bytes(20_000_000))),
        "The ZIP archive unpacks to more than 200 times its size, which is the limit: upload the CSV file itself.",
    ),
]

ROWS = [
    Broken("a wrong value", GOOD + b"UA3,25h\n", "seats must be a whole number, got '25h'", 4),
    Broken("an empty value", GOOD + b"UA3,\n", "seats must be a whole number, got an empty field", 4),
    Broken("too few fields", GOOD + b"UA3\n", "has too few fields: 1, where the file has 2 columns", 4),
    Broken("too many fields", GOOD + b"UA3,3,3\n", "has too many fields: 3, where the file has 2 columns", 4),
    Broken("cut off in a row", GOOD + b"UA3", "has too few fields: 1, where the file has 2 columns", 4),
    Broken("cut off in quotes", GOOD + b'"UA3,3\n', QUOTE.format(4), 4),
    Broken(
        "text behind a quote",
        GOOD + b'"UA"3,3\n',
        "has text behind a closing quote: a quote inside a quoted field must be doubled",
        4,
    ),
    Broken("a NUL byte", GOOD + b"UA\x003,3\n", "contains a NUL byte, which is not text", 4),
    Broken(
        "another encoding in one row",
        GOOD + "Zürich,3\n".encode() + b"K\xf6ln,4\n",
        "contains the byte 0xF6, which is not UTF-8 text",
        5,
    ),
    Broken(
        "UTF-16 cut off in a character",
        GOOD.decode().encode("utf-16")[:-1],
        "contains half a character, which is not UTF-16 text",
        3,
    ),
    Broken(
        "a field too long", GOOD + b"x" * 140_000 + b",3\n", "has a field of more than 131,072 characters", 4
    ),
    Broken("a row too long", GOOD + b"x" * 2_000_000 + b",3\n", "is longer than 1,048,576 bytes", 4),
    Broken(
        "a quote nobody closes",
        GOOD + b'"UA3,3\n' + b"UA4,4\n" * 400_000,
        "a quote that opens on line 4 is not closed within 1,048,576 bytes",
        4,
    ),
]
