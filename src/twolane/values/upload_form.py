"""An upload that does not pass through an endpoint: the form that a client fills, and the token that tells of it later."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from twolane.values.errors import UploadRefused


@dataclass(frozen=True, slots=True)
class UploadForm:
    """What a client needs to send a file straight to its place; an endpoint answers it as it is.

    Attributes:
        url: where to POST to, as multipart/form-data.
        fields: the fields that go before the file, as they are; the file itself is the last one, `file`.
        token: what the client confirms the upload with; says nothing secret.
        expires_at: until when the upload must have begun.
        max_bytes: how large the file may be.
    """

    url: str
    fields: Mapping[str, str]
    token: str
    expires_at: datetime
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Promise:
    """What a token says: which file was promised.

    Attributes:
        key: where it goes; made by twolane.
        name: the file name the client gave, for people.
        content_type: its kind.
        max_bytes: how large it may be.
        sha256: its checksum in hexadecimal, where it was said beforehand; empty: it was not.
        owner: who may confirm it; empty: whoever has the token.
        until: the token's end, in epoch seconds.
    """

    key: str
    name: str
    content_type: str
    max_bytes: int
    sha256: str
    owner: str
    until: float


def sealed(promise: Promise, secret: bytes) -> str:
    """A promise as a token that nobody else can make."""
    text = _encoded(json.dumps(asdict(promise), separators=(",", ":")).encode())
    return f"{text}.{_encoded(_seal(text, secret))}"


def unsealed(token: str, secret: bytes, *, owner: str | None, now: float) -> Promise:
    """Read a token.

    Args:
        token: what a client sent.
        secret: what it was sealed with.
        owner: for whom it must have been made; None: it is not asked.
        now: the time, in epoch seconds.

    Raises:
        UploadRefused: it is none of ours, was changed, is somebody else's, or has expired.
    """
    text, _, seal = token.partition(".")
    if not (token.isascii() and hmac.compare_digest(seal, _encoded(_seal(text, secret)))):
        raise UploadRefused("this is no token of an upload: send the one that came with the form")
    promise = Promise(**json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    if owner is not None and not hmac.compare_digest(promise.owner.encode(), owner.encode()):
        raise UploadRefused("this is no token of an upload: send the one that came with the form")
    if now >= promise.until:
        raise UploadRefused("the upload was confirmed too late: ask for a new form, and upload again")
    return promise


def _seal(text: str, secret: bytes) -> bytes:
    return hmac.new(secret, b"twolane upload 1 " + text.encode(), hashlib.sha256).digest()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
