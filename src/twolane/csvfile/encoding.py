"""The encodings a file may be in. In every one of them but UTF-16 the signs of CSV are single bytes, as in ASCII.

So a file is cut into records as it stands and each record decoded alone. UTF-16 is brought into UTF-8
first (`text.py`), and what it measures in the file is computed back.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from twolane.values.errors import UsageError

BAD_BYTE: Final = b"\xff"
"""Stands in UTF-8 for what is no UTF-16: the odd byte of a file that was cut in the middle of a character."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoding.

    Args:
        codec: Python's name for it, such as "cp1252".
        label: its name for people, such as "Windows-1252".
        detected: whether it is found by itself; others must be named.
        takes_pipe: whether the byte of `|` is never half a character.
    """

    codec: str
    label: str
    detected: bool = True
    takes_pipe: bool = True

    @property
    def is_wide(self) -> bool:
        """Whether it is UTF-16."""
        return self.codec.startswith("utf_16")

    @property
    def text_codec(self) -> str:
        """What decodes a record of the text, which is UTF-8 where the file is UTF-16."""
        return "utf_8" if self.is_wide else self.codec

    def source_bytes(self, text: bytes) -> int:
        """Return how many bytes of the file `text` covers."""
        if not self.is_wide:
            return len(text)
        odd = text.endswith(BAD_BYTE)
        characters = text[: len(text) - odd].decode("utf_8", "surrogatepass")
        return len(characters.encode("utf_16_le", "surrogatepass")) + odd

    def shown(self, record: bytes) -> str:
        r"""Return a record as text; bytes that are no text are shown as `\xe9`."""
        if self.is_wide:
            odd = record.endswith(BAD_BYTE)
            text = record[: len(record) - odd].decode("utf_8", "surrogatepass")
            return text.encode("utf_8", "backslashreplace").decode() + "\\xff" * odd
        return record.decode(self.codec, "backslashreplace")


_TOLD = [
    Encoding("utf_8", "UTF-8"),
    Encoding("utf_16_le", "UTF-16 (little-endian)"),
    Encoding("utf_16_be", "UTF-16 (big-endian)"),
    Encoding("cp1252", "Windows-1252 (Western European)"),
    Encoding("cp1250", "Windows-1250 (Central European)"),
    Encoding("cp1251", "Windows-1251 (Cyrillic)"),
    Encoding("koi8_r", "KOI8-R (Cyrillic)"),
    Encoding("cp1253", "Windows-1253 (Greek)"),
    Encoding("cp1255", "Windows-1255 (Hebrew)"),
    Encoding("cp1256", "Windows-1256 (Arabic)"),
    Encoding("cp932", "Shift JIS (Japanese)", takes_pipe=False),
    Encoding("euc_jp", "EUC-JP (Japanese)"),
    Encoding("gb18030", "GB 18030 (Chinese)", takes_pipe=False),
    Encoding("big5", "Big5 (Chinese)", takes_pipe=False),
    Encoding("cp949", "CP949 (Korean)"),
]
_NAMED_ONLY = [
    Encoding(codec, label, detected=False)
    for codec, label in {
        "cp1254": "Windows-1254 (Turkish)",
        "cp1257": "Windows-1257 (Baltic)",
        "cp1258": "Windows-1258 (Vietnamese)",
        "iso8859_1": "ISO 8859-1 (Western European)",
        "iso8859_2": "ISO 8859-2 (Central European)",
        "iso8859_5": "ISO 8859-5 (Cyrillic)",
        "iso8859_7": "ISO 8859-7 (Greek)",
        "iso8859_9": "ISO 8859-9 (Turkish)",
        "iso8859_15": "ISO 8859-15 (Western European)",
        "koi8_u": "KOI8-U (Ukrainian)",
        "mac_roman": "Mac Roman",
        "cp437": "DOS 437 (US)",
        "cp850": "DOS 850 (Western European)",
        "cp852": "DOS 852 (Central European)",
        "cp866": "DOS 866 (Cyrillic)",
    }.items()
]
ENCODINGS: Final = {encoding.codec: encoding for encoding in _TOLD + _NAMED_ONLY}
UTF_8: Final = ENCODINGS["utf_8"]
CP1252: Final = ENCODINGS["cp1252"]

# The wider encoding of each family reads all of the narrower one.
_WIDER = {
    "ascii": "utf_8",
    "utf_8_sig": "utf_8",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
}


def encoding_of(name: str) -> Encoding | None:
    """Return the encoding that `name`, Python's or anybody's for it, stands for; None for "utf-16", which has two orders.

    Raises:
        UsageError: there is no such encoding here.
    """
    try:
        codec = codecs.lookup(name).name.replace("-", "_").lower()
    except (LookupError, TypeError, ValueError):
        codec = ""
    codec = _WIDER.get(codec, codec)
    if codec == "utf_16":
        return None
    if codec not in ENCODINGS:
        raise UsageError(f"csvfile reads {', '.join([*ENCODINGS, 'utf_16'])}, not encoding={name!r}.")
    return ENCODINGS[codec]
