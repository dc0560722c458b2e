"""The sentence that a customer may see about the end of a task: plain text of one line."""

from __future__ import annotations

import unicodedata

MAX_CHARS = 500
_UNPRINTED = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, line ends
_TURNING = frozenset(
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)  # turn what follows on a page round


def public_sentence(public: object) -> str | None:
    """What `GiveUp(..., public=...)` said, clipped and without what is no plain text; None: nothing was said."""
    if public is None:
        return None
    plain = "".join(" " if _is_no_text(char) else char for char in str(public))
    text = " ".join(plain.split())
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"


def _is_no_text(char: str) -> bool:
    return char in _TURNING or unicodedata.category(char) in _UNPRINTED
