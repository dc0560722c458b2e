"""The text of a file, read forward in large blocks: bytes in which the signs of CSV are those of ASCII."""

from __future__ import annotations

import codecs

from twolane.csvfile.encoding import BAD_BYTE, Encoding
from twolane.csvfile.source import Readable

_DECODE = {"utf_16_le": codecs.utf_16_le_decode, "utf_16_be": codecs.utf_16_be_decode}


class Text:
    """A stream, which gives all that is asked for, as bytes in the encoding of the file, or in UTF-8 where that is UTF-16.

    Half a surrogate pair comes as bytes that UTF-8 refuses, so that its row is rejected like any other
    that does not decode.
    """

    def __init__(self, stream: Readable, encoding: Encoding) -> None:
        self.encoding = encoding
        self._stream = stream
        self._next = self._transcoded if encoding.is_wide else self._as_it_is
        self._held = b""  # read to see whether a CR ends in a LF
        self._undecoded = b""

    def read(self, size_bytes: int) -> bytes:
        """Return about `size_bytes` bytes, none at the end; a CRLF is never cut in two, nor a character of UTF-16."""
        block = self._held + self._next(size_bytes)
        self._held = b""
        if block.endswith(b"\r"):
            following = self._next(1)
            newline = following.startswith(b"\n")
            self._held = following[newline:]
            block += following[:newline]
        return block

    def read_fully(self, size_bytes: int) -> bytes:
        """Return at least `size_bytes` bytes, fewer only at the end."""
        blocks: list[bytes] = []
        missing = size_bytes
        while missing > 0 and (block := self.read(missing)):
            blocks.append(block)
            missing -= len(block)
        return b"".join(blocks)

    def _as_it_is(self, size_bytes: int) -> bytes:
        return self._stream.read(size_bytes)

    def _transcoded(self, size_bytes: int) -> bytes:
        while block := self._stream.read(max(size_bytes, 2)):
            data = self._undecoded + block
            whole = len(data) // 2 * 2
            text, used = _DECODE[self.encoding.codec](data[:whole], "surrogatepass", False)
            self._undecoded = data[used:]
            if text:
                return text.encode("utf_8", "surrogatepass")
        rest, self._undecoded = self._undecoded, b""
        whole = len(rest) // 2 * 2
        text, _ = _DECODE[self.encoding.codec](rest[:whole], "surrogatepass", True)
        return text.encode("utf_8", "surrogatepass") + BAD_BYTE * (len(rest) % 2)
