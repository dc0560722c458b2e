"""Why attempts of messages on AWS were used up. A lease that ended has a cause, and somebody else than the row knows it.

The row says when a delivery was handed out and when its lease was found to be over. Who had it is in the file `held`; that
its process was killed, or its invocation ended without it, the round has seen; that a worker lost it while it lived, the log says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from tests.aws.runtime_api import Invoked
from tests.kill.ledger import lines, write_down
from twolane.aws_lambda.batch import ANSWER_S
from twolane.backends.sqs.receiving import SKEW_S
from twolane.backends.sqs.rows import Row
from twolane.contracts.queue import Delivery
from twolane.values.outcome import Reason
from twolane.values.record import Attempt, State

_ID = "([0-9a-f-]{36})"
LOST = (
    rf"the lease of \S+ {_ID} is lost"
    rf"|{_ID} attempt \d+ \(.*was no longer ours"
    rf"|{_ID} is not handed out: "
    rf"|{_ID} is done; that could not be written"
)
"""What a worker says of a message that it has lost, though it lives."""
HEARS_S = 10.0
"""Within so long after its end a process hears that a lease of its own is over, on a busy machine and a bad network."""
RAISED = ("ValueError", "RetryLater")
"""What the tasks of the rounds raise."""
EARLY_S = 0.2
"""By so much an invocation may end before the moment at which its answer has to go: its clock starts a little later."""


@dataclass(frozen=True)
class End:
    """Of a process or an invocation, with all that it held.

    Attributes:
        pid: the process.
        began: what was handed out to it was so from then on, in epoch seconds.
        after: it had not ended by then.
        by: it had ended by then.
    """

    pid: int
    began: float
    after: float
    by: float

    def explains(self, lapse: Attempt, holder: int | None) -> bool:
        """Whether it came while this was held: after it was handed out, and before its lease was found to be over.

        A process that was too slow for its lease says so when it hears of it. If it is known to have held this, it may have
        been killed before it could.
        """
        why = lapse.failure
        heard_at = why.ended_at + (HEARS_S if holder == self.pid else 0.0)
        return (
            holder in (None, self.pid) and self.began <= why.started_at <= self.by and self.after <= heard_at
        )


def note_held(step: str, delivery: Delivery) -> None:
    """An observer: a process writes down what it was handed out, as the row has it."""
    if step == "read":
        write_down("held", delivery.id, repr(delivery.received_at), os.getpid())


def holders(folder: Path) -> dict[tuple[str, float], int]:
    """Who was handed out what, by the message and the moment; without those who were killed right then."""
    return {(words[0], float(words[1])): int(words[2]) for words in lines(folder, "held")}


def lost(log: str) -> set[str]:
    """The messages of which a worker says that it has lost them."""
    return {each for groups in re.findall(LOST, log) for each in groups if each}


def cut_short(invoked: Iterable[Invoked], timeout_s: float) -> list[End]:
    """Invocations that ended with what they held: killed, or at the end of their time."""
    return [
        End(each.pid, each.began_at, each.ended_at, each.ended_at)
        for each in invoked
        if each.failed or each.ended_at - each.began_at >= timeout_s - ANSWER_S - EARLY_S
    ]


def check_attempts(
    row: Row,
    *,
    lease_s: float,
    ends: Sequence[End],
    held: Mapping[tuple[str, float], int],
    lost: AbstractSet[str],
    raised: int,
) -> None:
    """Each attempt of one that died was used up by something that really happened.

    Args:
        row: a message that has ended.
        lease_s: the shortest lease of the round.
        ends: of processes and invocations.
        held: who was handed out what.
        lost: of which a worker has said that it lost them.
        raised: so often its task has raised.
    """
    record = row.record
    for each in row.attempts:
        if each.outcome != "lease_expired" or record.state is not State.DEAD:
            continue
        why = each.failure
        assert why.ended_at - why.started_at >= lease_s - SKEW_S, (
            f"its lease was not over: {each} of {record}"
        )
        pid = held.get((record.id, why.started_at))
        is_explained = record.id in lost or any(end.explains(each, pid) for end in ends)
        assert is_explained, f"its lease ended, and nothing had happened to process {pid}: {each} of {record}"
    if record.reason is Reason.USED_UP:
        assert row.attempts[-1].outcome == "lease_expired", f"used up by nothing: {row}"
        assert (record.finished_at or 0.0) >= record.visible_at - SKEW_S, f"its lease was not over: {row}"
    if record.state is State.DEAD and record.reason in (Reason.USED_UP, Reason.ATTEMPTS_EXHAUSTED):
        numbers = [each.number for each in row.attempts]
        assert numbers == list(range(1, row.max_attempts + 1)), f"not its attempts, one after another: {row}"
    failed = sum(each.failure.error_type in RAISED for each in row.attempts)
    assert failed <= raised, f"{failed} attempts that raised, and {raised} that did: {row}"
