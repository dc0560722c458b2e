"""What is owed to the people who must be told, and how far each target has been told of it.

Every alert has a number, and a target is told in their order: one number says how far it is. So a flood costs
a target no more than one death does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from twolane.values.outcome import Reason
from twolane.values.record import DeadLetter


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell that is no death: a condition of the watch, a worker that takes no more sync work.

    Attributes:
        key: what it is about, such as `watch:backlog:imports`: two of one key are of one kind.
        title: one line of plain text.
        body: plain text.
    """

    key: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class OwedAlert:
    """One alert: about a death (`letter`) or a notice. A letter whose message is gone is None as well.

    Attributes:
        number: its place in the order of all alerts, from 1.
        owed_at: since when, in epoch seconds.
        fingerprint: its kind: of the death, or the notice's key.
        letter: who died, as it is now: somebody may have sent it back or discarded it since.
        notice: what else is to be told.
        reason: why it died this time; None: it is a notice.
        error: the last error it died with, in one line.
    """

    number: int
    owed_at: float
    fingerprint: str
    letter: DeadLetter | None = None
    notice: Notice | None = None
    reason: Reason | None = None
    error: str = ""

    @property
    def died(self) -> DeadLetter | None:
        """Who died, with the reason of this death, whatever has become of it since."""
        if self.letter is None:
            return None
        record = self.letter.record
        return replace(self.letter, record=replace(record, reason=self.reason or record.reason))


@dataclass(frozen=True, slots=True)
class OwedKind:
    """Owed alerts of one kind, counted.

    Attributes:
        fingerprint: the kind.
        count: how many.
        first_at: when the first of them was owed, in epoch seconds.
        last_at: when the last was.
        notice: whether it is a notice, not deaths.
        task: the task's name; empty: it is not known.
        reason: why the last one died; None: it is a notice.
        error: the last one's error in one line, or a notice's title.
        id: the last one's message; empty for a notice.
    """

    fingerprint: str
    count: int
    first_at: float
    last_at: float
    notice: bool = False
    task: str = ""
    reason: Reason | None = None
    error: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed beyond some number.

    Attributes:
        up_to: the last number it speaks of.
        total: how many alerts.
        kinds: the kinds, the most frequent first; all fingerprints, however many.
        first: the first few alerts, whole.
    """

    up_to: int
    total: int
    kinds: tuple[OwedKind, ...]
    first: tuple[OwedAlert, ...]


@dataclass(frozen=True, slots=True)
class TargetState:
    """How far a target has been told, and what went to it lately. Times are epoch seconds.

    Attributes:
        told_to: alerts up to this number were accepted.
        tries: how many tries in a row were not.
        next_at: not tried again before.
        error: why the last try was not accepted; None: it was.
        failed_at: when that was.
        told_at: when it last accepted something.
        sent: when something went to it within the digest's window, accepted or not.
        kinds: which kinds went within the window, and when.
    """

    told_to: int = 0
    tries: int = 0
    next_at: float = 0.0
    error: str | None = None
    failed_at: float | None = None
    told_at: float | None = None
    sent: tuple[float, ...] = ()
    kinds: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target as the queue knows it.

    Attributes:
        id: what it is known by; a hash where the address holds a secret.
        name: for people, without secrets.
        added_at: since when, in epoch seconds.
        seen_at: when a process last said that it serves it.
        version: of this row: who writes it says which one they have seen.
        leased_until: until then a process is telling it something.
        state: how far it has been told.
    """

    id: str
    name: str
    added_at: float
    seen_at: float
    version: int
    leased_until: float
    state: TargetState


LIVE_S = 600.0
"""A target that no process has named for so long, while another was, is not served any more."""
FORGET_S = 7 * 86_400.0
"""A target that no process has named for so long is forgotten."""


@dataclass(frozen=True, slots=True)
class Telling:
    """The outbox at one moment: the last number that was given, and the targets."""

    last: int
    targets: tuple[TargetRow, ...]

    @property
    def live(self) -> tuple[TargetRow, ...]:
        """The targets that are served."""
        newest = max((row.seen_at for row in self.targets), default=0.0)
        return tuple([row for row in self.targets if newest - row.seen_at <= LIVE_S])

    def owed(self, row: TargetRow) -> int:
        """How many alerts a target has not accepted yet."""
        return max(0, self.last - row.state.told_to)

    @property
    def told(self) -> int:
        """How many alerts every target that is served has accepted."""
        return min((row.state.told_to for row in self.live), default=0)
