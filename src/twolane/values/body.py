"""What a queue takes as a body: the same on every backend (L14)."""

from __future__ import annotations

import re

from twolane.values.errors import SendRefused

_ALPHABET = re.compile(r"[\t\n\r -~]*")


def check_body(body: str, limit_bytes: int, message_id: str) -> None:
    """See that a body keeps to the alphabet and the limit (L14).

    Raises:
        SendRefused: it does not.
    """
    if not (body.isascii() and (body.isprintable() or _ALPHABET.fullmatch(body))):
        raise SendRefused(
            f"message {message_id}: the body holds characters outside printable ASCII, tab and line ends; "
            "nothing was stored",
            [message_id],
        )
    if len(body) > limit_bytes:
        raise SendRefused(
            f"message {message_id}: the body has {len(body)} bytes, the limit is {limit_bytes}: "
            "nothing was stored; keep large data in a blob",
            [message_id],
        )
