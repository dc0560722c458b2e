"""Which queues of SQS an address means: `sqs://NAME`, `sqs://PREFIX-*`, or a queue's URL.

Behind it may stand `?dead=NAME`, the dead-letter queue, `poll_s=N`, how long SQS waits for a message, and
`lease_s=N`, how long what a worker holds stays hidden without a word from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from twolane.backends.aws import AwsError
from twolane.values.errors import SettingsError

FORM = "sqs://NAME, sqs://PREFIX-* or a queue's URL (https://sqs.REGION.amazonaws.com/ACCOUNT/NAME)"
LONGEST_POLL_S = 20
LEASE_S = 60
SHORTEST_LEASE_S, LONGEST_LEASE_S = 2, 900


@dataclass(frozen=True, slots=True)
class Address:
    """The queues of an app.

    Attributes:
        pattern: SQS's name or URL of the queue; with a `*`, which stands for the queue's name in the app.
        dead: the same of its dead-letter queue; None: its redrive policy says.
        poll_s: how long SQS waits for a message, from 1 to 20 s. A worker that stops waits as long.
        lease_s: how long what a worker holds stays hidden without a word from it, from 2 to 900 s. What a worker held
            that was killed is run again so much later.
    """

    pattern: str
    dead: str | None = None
    poll_s: int = LONGEST_POLL_S
    lease_s: int = LEASE_S

    def __str__(self) -> str:
        text = self.pattern if "://" in self.pattern else f"sqs://{self.pattern}"
        options = [("dead", self.dead)] * (self.dead is not None)
        options += [("poll_s", str(self.poll_s))] * (self.poll_s != LONGEST_POLL_S)
        options += [("lease_s", str(self.lease_s))] * (self.lease_s != LEASE_S)
        return "?".join([text, *["&".join(f"{name}={value}" for name, value in options)] * bool(options)])

    @property
    def has_place(self) -> bool:
        """It stands for several queues."""
        return "*" in self.pattern

    def name_of(self, queue: str) -> str:
        """SQS's name, or URL, of a queue.

        Raises:
            AwsError: the address names one queue, and this is another.
        """
        if self.has_place:
            return self.pattern.replace("*", queue)
        if queue == "default":
            return self.pattern
        raise AwsError(
            f"{self} is one queue, called default, and there is no place for queue {queue}: "
            "name them all as TWOLANE_QUEUE=sqs://PREFIX-*",
            "QueueDoesNotExist",
            sent=False,
        )

    def queue_called(self, name: str) -> str | None:
        """The app's name of a queue by SQS's name; None: it is none of the app's."""
        before, star, after = self.pattern.rpartition("/")[2].partition("*")
        if not star:
            return "default" if name == before else None
        if not after.endswith(".fifo"):
            name = name.removesuffix(".fifo")  # whichever of the two there is
        fits = len(name) > len(before) + len(after) and name.startswith(before) and name.endswith(after)
        return name[len(before) : len(name) - len(after)] if fits else None

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
    poll_s = _number(options.pop("poll_s", None), LONGEST_POLL_S, 1, LONGEST_POLL_S)
    lease_s = _number(options.pop("lease_s", None), LEASE_S, SHORTEST_LEASE_S, LONGEST_LEASE_S)
    if options or parts.fragment or dead == "" or poll_s is None or lease_s is None:
        raise SettingsError(
            f"TWOLANE_QUEUE takes {FORM}, with ?dead=NAME, poll_s=1 to {LONGEST_POLL_S} and "
            f"lease_s={SHORTEST_LEASE_S} to {LONGEST_LEASE_S} behind it at most, not {text!r}"
        )
    name = f"{parts.netloc}{parts.path}"
    if dead is not None and "*" not in name and name.endswith(".fifo") is not dead.endswith(".fifo"):
        raise SettingsError(
            f"the dead-letter queue of a FIFO queue is a FIFO queue too (NAME.fifo), that of another is not: {text!r}"
        )
    if parts.scheme == "sqs":
        # urlsplit puts the name into the host, whose case it keeps in netloc
        name = parts.netloc
        if not name or parts.path not in ("", "/") or name.count("*") > 1 or not _is_name(name):
            raise SettingsError(f"TWOLANE_QUEUE takes {FORM}, not {text!r}")
        return Address(name, dead, poll_s, lease_s)
    if parts.scheme not in ("http", "https") or parts.path.count("/") < 2:  # noqa: PLR2004  (account and name)
        raise SettingsError(f"TWOLANE_QUEUE takes {FORM}, not {text!r}")
    return Address(f"{parts.scheme}://{parts.netloc}{parts.path}", dead, poll_s, lease_s)


def _is_name(name: str) -> bool:
    plain = name.removesuffix(".fifo").replace("*", "").replace("-", "").replace("_", "")
    return len(name) <= 80 and (not plain or (plain.isascii() and plain.isalnum()))  # noqa: PLR2004  (SQS's limit)


def _number(said: str | None, default: int, least: int, most: int) -> int | None:
    """A whole number that an option says; None: it says something else."""
    if said is None:
        return default
    number = int(said) if said.isascii() and said.isdecimal() and len(said) < 6 else -1  # noqa: PLR2004
    return number if least <= number <= most else None
