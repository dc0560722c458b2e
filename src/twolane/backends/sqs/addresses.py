"""Which queues of SQS an address means: `sqs://NAME`, `sqs://PREFIX-*`, or a queue's URL; `?dead=NAME` beside it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from twolane.backends.aws import AwsError
from twolane.values.errors import SettingsError

FORM = "sqs://NAME, sqs://PREFIX-* or a queue's URL (https://sqs.REGION.amazonaws.com/ACCOUNT/NAME)"


@dataclass(frozen=True, slots=True)
class Address:
    """The queues of an app.

    Attributes:
        pattern: SQS's name or URL of the queue; with a `*`, which stands for the queue's name in the app.
        dead: the same of its dead-letter queue; None: its redrive policy says.
    """

    pattern: str
    dead: str | None = None

    def __str__(self) -> str:
        text = self.pattern if "://" in self.pattern else f"sqs://{self.pattern}"
        return text if self.dead is None else f"{text}?dead={self.dead}"

    def name_of(self, queue: str) -> str:
        """SQS's name, or URL, of a queue.

        Raises:
            AwsError: the address names one queue, and this is another.
        """
        if "*" in self.pattern:
            return self.pattern.replace("*", queue)
        if queue == "default":
            return self.pattern
        raise AwsError(
            f"{self} is one queue, called default, and there is no place for queue {queue}: "
            "name them all as TWOLANE_QUEUE=sqs://PREFIX-*",
            "QueueDoesNotExist",
            sent=False,
        )

    def dead_name_of(self, queue: str) -> str | None:
        """SQS's name, or URL, of a queue's dead-letter queue; None: its redrive policy says."""
        return None if self.dead is None else self.dead.replace("*", queue)


def read_address(text: str) -> Address:
    """Read an address.

    Raises:
        SettingsError: it is none.
    """
    parts = urlsplit(text)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    dead = options.pop("dead", None)
    if options or parts.fragment or dead == "":
        raise SettingsError(f"TWOLANE_QUEUE takes {FORM}, with ?dead=NAME behind it at most, not {text!r}")
    if parts.scheme == "sqs":
        # urlsplit puts the name into the host, whose case it keeps in netloc
        name = parts.netloc
        if not name or parts.path not in ("", "/") or name.count("*") > 1 or not _is_name(name):
            raise SettingsError(f"TWOLANE_QUEUE takes {FORM}, not {text!r}")
        return Address(name, dead)
    if parts.scheme not in ("http", "https") or parts.path.count("/") < 2:  # noqa: PLR2004  (account and name)
        raise SettingsError(f"TWOLANE_QUEUE takes {FORM}, not {text!r}")
    return Address(f"{parts.scheme}://{parts.netloc}{parts.path}", dead)


def _is_name(name: str) -> bool:
    plain = name.removesuffix(".fifo").replace("*", "").replace("-", "").replace("_", "")
    return len(name) <= 80 and (not plain or (plain.isascii() and plain.isalnum()))  # noqa: PLR2004  (SQS's limit)
