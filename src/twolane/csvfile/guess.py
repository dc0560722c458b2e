"""Tells the encoding of a file from a bounded part of it. charset-normalizer loads only where the text is no Unicode.

First the byte order mark, then the pattern of NUL bytes that UTF-16 leaves, then UTF-8, whose multi-byte
characters do not come about by chance. What remains is an old code page, where all bytes are valid and only
the language tells. A guess that is not confident would bring wrong letters into somebody's database without
a word, so such a file is refused instead.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from twolane.csvfile.encoding import CP1252, ENCODINGS, UTF_8, Encoding
from twolane.csvfile.errors import CsvError, refuse_no_text
from twolane.csvfile.source import Readable, read_fully

SCANNED_BYTES: Final = 8_388_608
_SAMPLE_BYTES = 65_536

_MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (b"\xff\xfe", ENCODINGS["utf_16_le"]),
    (b"\xfe\xff", ENCODINGS["utf_16_be"]),
)
_COHERENT = 0.3  # share of letters that are as frequent as in one language
_CLEAR = 0.05  # how much of a text may look wrong where only one encoding reads it at all
_ABOUT_EQUAL = 0.05
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
_RUNS = re.compile(rb"[\x80-\xff]{3,}")
_NO_WORD = re.compile(rb'[0-9,;\t"]+')  # between words of a language they look like a wrong encoding
_FEW = 0.5  # of the lines, whose rows may be rejected for letters that cannot be told


def encoding_in(stream: Readable) -> Encoding:
    """Return the encoding of the file that `stream` reads from its first byte.

    Looks at the first 64 KiB, and for letters beyond ASCII at the first 8 MiB.

    Raises:
        CsvError: it is text of an encoding that cannot be told.
    """
    start = read_fully(stream, _SAMPLE_BYTES)
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    return wide_by_nuls(start) or _told_by(*_lines_beyond_ascii(start, stream))


def wide_by_nuls(start: bytes) -> Encoding | None:
    """Return UTF-16 where every other byte of `start` is often NUL and those between hardly ever."""
    even, odd = start[0::2].count(0), start[1::2].count(0)
    units = max(len(start) // 2, 1)
    if odd > units * 0.15 and even < odd * 0.1:
        return ENCODINGS["utf_16_le"]
    if even > units * 0.15 and odd < even * 0.1:
        return ENCODINGS["utf_16_be"]
    return None


def _lines_beyond_ascii(start: bytes, stream: Readable) -> tuple[list[bytes], float]:
    """Return the first lines that are not ASCII, about 64 KiB of them, and their share of all lines up to there."""
    found: list[bytes] = []
    line_ends = 0
    size_bytes, scanned, block = 0, len(start), start
    while block and size_bytes < _SAMPLE_BYTES:
        line_ends += max(block.count(b"\n"), block.count(b"\r"))
        if not block.isascii():
            lines = block.splitlines()
            # A line cut in two may be cut within a character, which looks like another encoding.
            whole = lines[block is not start : len(lines) - (len(block) == _SAMPLE_BYTES)] or lines
            found += [line for line in whole if not line.isascii()]
            size_bytes = sum(map(len, found))
        if scanned >= SCANNED_BYTES:
            break
        block = read_fully(stream, _SAMPLE_BYTES)
        scanned += len(block)
    return found, len(found) / max(line_ends, 1)


def _told_by(lines: list[bytes], share: float) -> Encoding:
    """Return the encoding of the lines that are not ASCII, which are a `share` of all."""
    text = b"\n".join(lines)
    decoded = text.decode("utf_8", "replace")
    broken = decoded.count("\ufffd")
    if broken * 2 <= sum(character > "\x7f" for character in decoded):
        return UTF_8
    readable = [line for line in lines if _reads(CP1252, line)]
    if len(readable) >= 0.9 * len(lines):
        text = b"\n".join(readable)  # a stray byte rejects its row and decides nothing
    found = _by_language(text)
    if found is None and share < _FEW:
        return UTF_8  # those lines are rejected, each with its reason
    if found is None:
        refuse_no_text(text)
        raise CsvError(
            "The encoding of the file's letters cannot be told: save it as CSV (UTF-8) and upload that."
        )
    return found


def _by_language(text: bytes) -> Encoding | None:
    """Return the code page in which `text` looks most like a language, None where that is not clear.

    Accents of a Latin script stand alone between ASCII letters, other scripts write whole words beyond
    ASCII: so Windows-1252 is what is left for the one, and nothing is for the other.
    """
    coherence, chaos = _looks(text)
    best = max(coherence, key=lambda encoding: (coherence[encoding], encoding is CP1252), default=CP1252)
    lead = coherence.get(best, 0) - max(
        (share for encoding, share in coherence.items() if encoding is not best), default=0
    )
    if _stands_alone(text):
        over_western = coherence.get(best, 0) - coherence.get(CP1252, 0)
        if coherence.get(best, 0) >= _COHERENT and over_western > _ABOUT_EQUAL:
            return best
        return CP1252 if _reads(CP1252, text) else None
    if coherence.get(best, 0) >= _COHERENT and lead > _ABOUT_EQUAL:
        return best
    clear = [encoding for encoding, share in chaos.items() if share <= _CLEAR]
    return clear[0] if len(clear) == 1 else None


def _looks(text: bytes) -> tuple[dict[Encoding, float], dict[Encoding, float]]:
    """Return how much `text` is like a language, and how much it looks wrong, in each code page that reads it.

    What looks more wrong than others is no candidate for a language.
    """
    from charset_normalizer import from_bytes

    pages = [encoding.codec for encoding in ENCODINGS.values() if encoding.detected and not encoding.is_wide]
    coherence: dict[Encoding, float] = {}
    chaos: dict[Encoding, float] = {}
    words = _NO_WORD.sub(b" ", text)
    for match in from_bytes(words, cp_isolation=pages, enable_fallback=False):
        for name in {match.encoding, *match.could_be_from_charset} & ENCODINGS.keys():
            coherence[ENCODINGS[name]], chaos[ENCODINGS[name]] = match.coherence, match.chaos
    least = min(chaos.values(), default=0)
    return {page: share for page, share in coherence.items() if chaos[page] <= least + _ABOUT_EQUAL}, chaos


def _stands_alone(text: bytes) -> bool:
    """Tell whether most bytes beyond ASCII stand in runs of one or two; a run of equal ones is a line drawn."""
    beyond = sum(map(len, _BEYOND_ASCII.findall(text)))
    in_words = sum(len(run) for run in _RUNS.findall(text) if len(set(run)) > 1)
    return in_words <= beyond * 0.4


def _reads(encoding: Encoding, text: bytes) -> bool:
    try:
        text.decode(encoding.codec)
    except UnicodeDecodeError:
        return False
    return True
