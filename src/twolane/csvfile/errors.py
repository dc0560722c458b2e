"""What is wrong with a whole file; what is wrong with one row is a `Rejected`, not an error.

TwolaneError
└── CsvError                   this file cannot be imported: a sentence for the customer
    └── CursorRefused          this cursor does not belong to this file: a sentence for the operator
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from twolane.values.errors import TwolaneError

_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class CsvError(TwolaneError, ValueError):
    """The file as a whole cannot be imported; the sentence may be shown to whoever uploaded it."""


class CursorRefused(CsvError):
    """The cursor given as `start` is none of this version's, or was made from another file."""


def damaged(archive: str) -> CsvError:
    """Return the error for an archive that cannot be unpacked to its end."""
    return CsvError(f"The {archive} archive is damaged or cut off: pack the file anew and upload that.")


def refuse_no_text(start: bytes) -> None:
    """Raise CsvError where bytes at the beginning of a file are control characters that no text has."""
    if _NO_TEXT.search(start):
        raise CsvError("The file begins with bytes that are no text: this is not a CSV file.")


def listed(names: Sequence[str]) -> str:
    """Return column names as a sentence shows them: quoted, the first 20, each cut at 60 characters."""
    shown = [repr(name[:60]) for name in names[:20]]
    return ", ".join(shown + ["..."] * (len(names) > len(shown)))
