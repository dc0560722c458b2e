"""The targets of `TWOLANE_ALERTS`: one apprise object each, imported at first use, in that target's own thread."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from twolane.engine.masking import Masker
from twolane.engine.targets import REMOTE
from twolane.engine.wording import Message, clipped

MASK = "***"
"""Short: it stands in names."""
_BETWEEN = re.compile(r"[\s,;]+(?=[A-Za-z][A-Za-z0-9+.-]*:|log\b)|[\s,;]+$|^[\s,;]+|(?<![\s,;])\s+(?![\s,;])")
_OPEN_HOSTS = frozenset(
    {"json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "http", "https"}
)
"""Schemes whose host is no secret; with others it is often a token."""
_RENDER_MARKDOWN = frozenset({"discord", "guilded", "mmost", "mmosts", "revolt", "zulip"})
"""Schemes that get plain text from apprise and show it as markdown: theirs goes as a block of code, which shows it as it is."""
_FENCE = "```"
_SECRET_CHARS = 6
"""A shorter part of an address is masked as a word of its own only: it may be part of words that an error needs."""
_TALKERS = ("apprise", "urllib3.connectionpool", "urllib3.util.retry")
"""The loggers that name addresses; those of urllib3 at level DEBUG, path and all."""
MISSING = "apprise is not installed: pip install 'twolane[alerts]'"


class NotAcceptedError(Exception):
    """A target did not take an alert."""


def split_addresses(text: str) -> tuple[str, ...]:
    """The addresses in a setting: separated by white space, or by commas or semicolons before the next `scheme:`.

    `log` stands for the log, which is always told, and is left out.
    """
    return tuple(
        dict.fromkeys(each for part in _BETWEEN.split(text) if (each := part.strip()) and each != "log")
    )


def targets_of(addresses: Iterable[str]) -> list[AppriseTarget]:
    """A target for each address."""
    return [AppriseTarget(address) for address in addresses]


def shown(address: str) -> str:
    """An address for people: what may hold a secret is masked, and a few letters tell two of a kind apart."""
    scheme, found, _ = address.partition("://")
    if not found or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,30}", scheme):
        return f"{MASK} ({_hash(address)[:4]})"
    place = MASK
    if scheme.lower() in _OPEN_HOSTS:
        try:
            parts = urlsplit(address)
            place = (parts.hostname or MASK) + (f":{parts.port}" if parts.port else "")
        except ValueError:
            place = MASK
    return f"{scheme}://{place} ({_hash(address)[:4]})"


class AppriseTarget:
    """One address.

    Args:
        address: what apprise takes; a secret.
    """

    pace = REMOTE
    timeout_s = 15.0
    deaths_only = False
    in_loop = False

    def __init__(self, address: str) -> None:
        self.id = f"apprise:{_hash(address)}"
        self.name = shown(address)
        self._address = address
        self._opened: Any = None

    def problem(self) -> str | None:
        """Why it can never take anything as it is; None: it may. Blocks for the import of apprise."""
        try:
            self._open()
        except NotAcceptedError as error:
            return str(error)
        return None

    def tell(self, part: Message) -> None:
        """Send it, once.

        Raises:
            NotAcceptedError: it did not take it; what apprise says of it, without secrets.
        """
        service = self._open()
        is_fenced = self._address.partition("://")[0].lower() in _RENDER_MARKDOWN
        title, body = fitted(
            part, service[0].title_maxlen, service[0].body_maxlen, fence=_FENCE if is_fenced else ""
        )
        with _Heard() as heard:
            try:
                took = service.notify(body=body, title=title, notify_type="failure", body_format="text")
            except Exception as error:  # noqa: BLE001  (whatever it raises may name the address)
                raise NotAcceptedError(
                    without_secrets(f"{type(error).__name__}: {error}", self._address)
                ) from None
        if not took:
            raise NotAcceptedError(
                heard.said(self._address) or "it did not take it, and apprise does not say why"
            )

    def _open(self) -> Any:
        if self._opened is None:
            try:
                import apprise
            except ImportError as error:
                raise NotAcceptedError(MISSING) from error
            service = apprise.Apprise(asset=_asset(apprise))
            with _Heard() as heard:
                understood = service.add(self._address)
            if not understood:
                why = heard.said(self._address)
                raise NotAcceptedError(f"apprise does not understand this address{why and f' ({why})'}")
            self._opened = service
        return self._opened


def _asset(apprise: Any) -> Any:
    """One call at a time, in the thread that calls: newer ones else call from a pool that the process's end waits for."""
    try:
        return apprise.AppriseAsset(async_mode=False, service_timeout=0)
    except (AttributeError, TypeError):  # an older one has no such pool
        return apprise.AppriseAsset(async_mode=False)


def fitted(part: Message, title_chars: int, body_chars: int, *, fence: str = "") -> tuple[str, str]:
    """Title and body clipped for a target; one that knows no title has it as the body's first line.

    Args:
        part: what is told.
        title_chars: the longest title; 0: it knows none.
        body_chars: the longest body.
        fence: what the body goes between, so that it is shown as it is; empty: it is anyway.
    """
    title, body = clipped(part.title, max(0, title_chars)), part.body
    if title_chars <= 0:
        body = f"{part.title}\n{part.body}"
    if not fence:
        return title, clipped(body, body_chars)
    harmless = body.replace(fence, "'" * len(fence))
    return title, f"{fence}\n{clipped(harmless, body_chars - 2 * len(fence) - 2)}\n{fence}"


class _Heard(logging.Filter):
    """What apprise, and what it calls, logs in this thread meanwhile: the only place where it says why.

    It goes no further: it may name secrets, and the target's own log line says the rest.
    """

    def __enter__(self) -> Self:
        self._thread = threading.get_ident()
        self._lines: list[str] = []
        for name in _TALKERS:
            logging.getLogger(name).addFilter(self)
        return self

    def __exit__(self, *_: object) -> None:
        for name in _TALKERS:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep a line of ours from the log."""
        if record.thread != self._thread:
            return True
        if record.levelno >= logging.WARNING:
            self._lines.append(record.getMessage())
        return False

    def said(self, address: str) -> str:
        """In one line, without secrets, nor anything that the address is made of."""
        return without_secrets(" ".join(self._lines), address)


def without_secrets(text: str, address: str) -> str:
    """What is said about an address, in one line, without anything that it is made of but its scheme."""
    text = " ".join(text.split()).replace(address, MASK)
    scheme, *parts = re.split(r"[/:@?&=,;#]+", address)
    if scheme:
        text = re.sub(rf"\b{re.escape(scheme)}://\S*", f"{scheme}://{MASK}", text)
    for part in sorted({*parts, *map(unquote, parts)}, key=len, reverse=True):
        if len(part) >= _SECRET_CHARS:
            text = text.replace(part, MASK)
        elif part and part != scheme:
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", MASK, text)
    return clipped(Masker().text(text), 300)


def _hash(address: str) -> str:
    return hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def written(alerts: str | Sequence[str] | None) -> tuple[str, ...]:
    """What code gives as `Tasks(alerts=...)`: one text, or a sequence of them."""
    texts = [alerts] if isinstance(alerts, str) else alerts or ()
    return tuple(dict.fromkeys(address for text in texts for address in split_addresses(text)))
