"""A condition: something about the whole that a human must know, and how far it has been told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What can be wrong. The values are an interface: `/health`, `twolane watch --json` and the queue hold them."""

    TOO_OLD = "too_old"
    NO_WORKER = "no_worker"
    DEAD_LETTERS = "dead_letters"
    ALERTS = "alerts"
    FAILING = "failing"
    DISK = "disk"
    PLACE = "place"


class Phase(StrEnum):
    """How far a condition has got.

    `pending`: seen, but not for long enough to be told. `holding`: its beginning was told. `ended`: its end
    was told; it is remembered for a day, so that one that comes and goes is told less and less often.
    """

    PENDING = "pending"
    HOLDING = "holding"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Standing:
    """A condition over time; kept in the queue, so that whoever leads next goes on where the last one stopped.

    Attributes:
        kind: a `Kind`, or one that only a newer twolane knows.
        subject: which queue, task, target or disk; empty: the whole.
        phase: how far it has got.
        since: when it was first seen, in epoch seconds.
        title: what it is, in a line, as it was last told.
        told_at: when its beginning, its lasting or its end was told last; None: never yet.
        clear_since: holding, but not seen since then; None: it was seen at the last look.
        times: how often it has begun since it was last forgotten.
        level: what was normal when it began, where it is a jump (failing: a share of 1); None: it is none.
    """

    kind: str
    subject: str
    phase: Phase
    since: float
    title: str = ""
    told_at: float | None = None
    clear_since: float | None = None
    times: int = 0
    level: float | None = None

    @property
    def name(self) -> str:
        """Kind and subject: what tells it from all others."""
        return f"{self.kind}:{self.subject}" if self.subject else self.kind


@dataclass(frozen=True, slots=True)
class WatchState:
    """What the watch knows: who leads, when it last looked, what stands.

    Attributes:
        leader: the id of the watch that leads; empty: none ever did.
        renewed_at: when it last said so, in epoch seconds.
        until: it leads until then unless it says so again.
        looked_at: when a leader last looked; None: none ever did.
        standings: every condition that holds, may begin, or has ended within a day.
    """

    leader: str = ""
    renewed_at: float = 0.0
    until: float = 0.0
    looked_at: float | None = None
    standings: tuple[Standing, ...] = ()

    def is_led(self, now: float) -> bool:
        """Whether somebody leads. A lease that was renewed in the future is none: the clock has jumped back."""
        return bool(self.leader) and self.renewed_at <= now < self.until
