"""Telling a human: owed alerts are taken from the outbox, told to a target, marked after (DESIGN.md section 4).

The target here is the log: boxed in plain text, so that it stands out on a terminal.
"""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime

from twolane.contracts.queue import MarkTold, TakeAlerts
from twolane.engine.batcher import Batcher
from twolane.engine.masking import Masker
from twolane.values.record import DeadLetter

log = logging.getLogger("twolane.alert")

BATCH = 100
TAKE_S = 3.0
"""After so many seconds an alert that was taken and not marked is told again: its teller died."""

WIDTH = 96

Target = Callable[[DeadLetter], None]
"""Tells one death; raises if it was not accepted."""


async def tell_owed(batcher: Batcher, target: Target) -> int:
    """Tell the alerts that are owed, and mark the ones the target accepted.

    A process that dies in between tells them twice, never not at all.

    Returns:
        How many were told.
    """
    told = 0
    while owed := await batcher.ask(TakeAlerts(BATCH, TAKE_S)):
        accepted: list[int] = []
        for alert in owed:
            try:
                target(alert.letter)
            except Exception:
                log.exception("an alert about %s was not accepted; it is tried again", alert.letter.record.id)
            else:
                accepted.append(alert.number)
        await batcher.ask(MarkTold(tuple(accepted)))
        told += len(accepted)
        if len(owed) < BATCH:
            break
    return told


def tell_log(letter: DeadLetter, address: str = "") -> None:
    """Tell a death to the log, boxed; to standard error where the app's configuration mutes our log.

    Args:
        letter: who died.
        address: the queue's address, for the commands that the box names; empty: not said.

    Raises:
        OSError: standard error cannot be written.
    """
    if log.isEnabledFor(logging.ERROR):
        log.error("%s", boxed(letter, address))
    else:  # logging.config.dictConfig mutes the loggers it does not name unless told otherwise
        sys.stderr.write(boxed(letter, address) + "\n")
        sys.stderr.flush()


def boxed(letter: DeadLetter, address: str = "") -> str:
    """A death as a box of plain text: what died, why, how often it was tried, what to do."""
    record = letter.record
    what = f"task {printable(record.task) or '(unreadable)'} died: {record.reason}"
    lines = [what, f"message {record.id}, queue {record.queue}, sent {_when(record.sent_at)}"]
    if letter.attempts:
        last = letter.attempts[-1]
        said = printable(Masker.of(letter.body).text(last.failure.message))
        lines.append(f"attempt {last.number}: {last.failure.error_type}: {said[:300]}")
    if len(letter.attempts) > 1:
        first = min(attempt.failure.started_at for attempt in letter.attempts)
        lines.append(f"{len(letter.attempts)} attempts since {_when(first)}")
    lines.append("It is kept and will not be tried again by itself.")
    if address:
        lines.append(f"Its queue: TWOLANE_QUEUE={address}")
    lines.append(f"See it: twolane dead show {record.id}")
    lines.append(f"Try it again: twolane dead redrive {record.id}")
    wrapped = [part for line in lines for part in textwrap.wrap(line, WIDTH - 4) or [""]]
    rule = "+" + "-" * (WIDTH - 2) + "+"
    return "\n".join(["", rule, *(f"| {line:<{WIDTH - 4}} |" for line in wrapped), rule])


def printable(text: str) -> str:
    """Text without control characters, so that a message cannot write over a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _when(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
