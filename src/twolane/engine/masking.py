"""Masking: what people read of a message shows no secret; the screen and the alerts go through here.

A secret is an argument whose type says so (SecretStr, SecretBytes: its envelope names it) or whose name does,
and what such a value was is masked wherever it turns up again: in an error's text, a traceback, a result. Beside
those: credentials in URLs, `password=...` and authorization headers in any text. Pure; nothing is stored masked.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, quote_plus

from twolane.values.errors import EnvelopeError
from twolane.values.fingerprint import MAX_HEADLINE_CHARS
from twolane.values.message import SECRETS, decode

MASK = "[masked]"
MIN_CHARS = 4
"""A shorter secret is masked where its name stands, but not looked for in other texts: it would be found everywhere."""

_WORDS = frozenset(
    "auth cookie cookies cvc cvv jwt otp pin pins pwd passcode passphrase".split()  # noqa: SIM905  (one line)
)
_PARTS = (
    "password", "passwd", "secret", "token", "credential", "authorization", "apikey", "privatekey", "accesskey",
    "signingkey", "encryptionkey", "sessionid", "sessionkey", "cardnumber",
)  # fmt: skip
_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")

_URL = re.compile(
    r"(?<![a-z0-9+.-])(?P<scheme>[a-z][a-z0-9+.-]*+://)"
    r"(?:[^\s/?#:@'\"<>]*+:(?!\d{1,5}(?:[/?#]|\b$))[^\s'\"<>]{0,300}|[^\s/?#'\"<>]*)@",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![\w.-])(?P<name>[\w.-]++)\\?[\"']?\]?\s*+(?:=>|[:=])\s*+")
_VALUE = re.compile(
    r"(?:(?:bearer|basic|digest|token)\s+)?\[masked\]|\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|(?:(?:bearer|basic|digest|token)\s+)?[^\s,;&\"')}\]]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(?P<kind>bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)

_KNOWN = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|[sr]k_(?:live|test)_|sk-|hf_|npm_|pypi-)[A-Za-z0-9_-]{10,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+)?"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*+(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
    r"|(?<=hooks\.slack\.com/services/)\S++"
)
"""Keys that tell themselves by their form."""


def is_secret_name(name: str) -> bool:
    """Whether a value under this name is taken for a secret, however it is written: `api_key`, `apiKey`, `X-API-Key`."""
    words = [word.lower() for word in _BORDER.split(name) if word]
    flat = "".join(words)
    return any(word in _WORDS for word in words) or any(part in flat for part in _PARTS)


class Masker:
    """Masks what is shown of one message.

    Args:
        args: its arguments by name, as JSON values; None: they are not known here.
        secrets: which of them are secrets by their type.
    """

    def __init__(self, args: Mapping[str, Any] | None = None, secrets: Collection[str] = ()) -> None:
        self.secrets = frozenset(secrets)
        literals = {each for value in self._hidden(args or {}) for each in _literals(value)}
        self._found = sorted((each for each in literals if len(each) >= MIN_CHARS), key=len, reverse=True)
        self._literal = re.compile("|".join(map(re.escape, self._found))) if self._found else None
        self.args = None if args is None else self._masked(args, self.secrets)

    @classmethod
    def of(cls, body: str | None) -> Masker:
        """For a stored body; one that is no envelope has no arguments that could be known."""
        try:
            message = decode(body or "")
        except EnvelopeError:
            return cls()
        return cls(message.args, [str(each) for each in _listed(message.extra.get(SECRETS))])

    def text(self, text: str) -> str:
        """A text without secrets."""
        if self._literal is not None:
            text = self._literal.sub(MASK, text)
        text = _URL.sub(rf"\g<scheme>{MASK}@", text)
        text = "".join(_pairs_masked(text))
        return _KNOWN.sub(MASK, _BEARER.sub(rf"\g<kind> {MASK}", text))

    def headline(self, text: str) -> str:
        """An error's one line without secrets; where it was clipped, without the beginning of one at its end."""
        if len(text) >= MAX_HEADLINE_CHARS:
            for secret in self._found:
                most = min(len(secret), len(text))
                cut = next((n for n in range(most, MIN_CHARS - 1, -1) if text.endswith(secret[:n])), 0)
                if cut:
                    text = text[:-cut] + MASK
                    break
        return self.text(text)

    def value(self, value: Any) -> Any:
        """A JSON value without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self._masked(cast("Mapping[str, Any]", value), ())
        if isinstance(value, list):
            return [self.value(each) for each in cast("Sequence[Any]", value)]
        if self._literal is not None and isinstance(value, int | float) and self._literal.search(str(value)):
            return MASK
        return value

    def body(self, body: str) -> str:
        """A stored body without secrets."""
        try:
            decode(body)
        except EnvelopeError:
            return self.text(body)
        envelope: dict[str, Any] = json.loads(body)
        shown = self.value(envelope) | {name: envelope[name] for name in (SECRETS,) if name in envelope}
        return json.dumps(shown if self.args is None else shown | {"args": self.args}, separators=(",", ":"))

    def _masked(self, values: Mapping[str, Any], secrets: Collection[str]) -> dict[str, Any]:
        return {
            self.text(name): MASK if _hides(name, value, secrets) else self.value(value)
            for name, value in values.items()
        }

    def _hidden(self, values: Mapping[str, Any], *, top: bool = True) -> Iterator[Any]:
        """The values that are secrets, at any depth."""
        for name, value in values.items():
            if _hides(name, value, self.secrets if top else ()):
                yield value
            else:
                for inner in _mappings(value):
                    yield from self._hidden(inner, top=False)


def holds_mask(value: Any) -> bool:
    """Whether somewhere in a JSON value there is a mask: somebody copied what was shown."""
    if isinstance(value, str):
        return MASK in value
    if isinstance(value, Mapping):
        return any(holds_mask(each) for each in cast("Mapping[str, Any]", value).values())
    return isinstance(value, list) and any(holds_mask(each) for each in cast("Sequence[Any]", value))


def _hides(name: str, value: Any, secrets: Collection[str]) -> bool:
    """A flag or nothing at all is no secret, whatever its name."""
    return not (value is None or isinstance(value, bool)) and (name in secrets or is_secret_name(name))


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield cast("Mapping[str, Any]", value)
    elif isinstance(value, list):
        for each in cast("Sequence[Any]", value):
            yield from _mappings(each)


def _literals(value: Any) -> Iterator[str]:
    """How a secret may turn up in a text: as it is, in one line, escaped, quoted for a URL, or decoded."""
    if isinstance(value, Mapping):
        value = list(cast("Mapping[str, Any]", value).values())
    if isinstance(value, list):
        for each in cast("Sequence[Any]", value):
            yield from _literals(each)
    elif isinstance(value, str):
        yield from (value, " ".join(value.split()), repr(value)[1:-1], json.dumps(value)[1:-1])
        with_marks = value.encode("utf-8", "backslashreplace").decode()
        yield from (quote(with_marks, safe=""), quote(with_marks), quote_plus(with_marks))
        yield from _decoded(value)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _decoded(value: str) -> Iterator[str]:
    """What a SecretBytes stands for: bytes are stored in base64."""
    try:
        data = base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        return
    yield data.decode("utf-8", "backslashreplace")
    yield repr(data)[2:-1]


def _pairs_masked(text: str) -> Iterator[str]:
    """A text in parts, with a mask for each value that stands behind the name of a secret."""
    at = 0
    while (found := _NAME.search(text, at)) is not None:
        yield text[at : found.end()]
        at = found.end()
        if is_secret_name(found["name"]) and (value := _VALUE.match(text, at)) is not None:
            yield MASK
            at = value.end()
    yield text[at:]


def _listed(value: object) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()
