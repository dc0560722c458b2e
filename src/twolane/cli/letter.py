"""A dead letter on the screen: why, each attempt, the arguments, what to do."""

from __future__ import annotations

from twolane.cli.one_message import show_arguments, show_attempt
from twolane.cli.screen import block, fields, line, when
from twolane.cli.status import progress
from twolane.engine.masking import Masker
from twolane.values.fingerprint import fingerprint
from twolane.values.outcome import Reason
from twolane.values.record import DeadLetter

MAX_BODY_CHARS = 4_000

_WHAT_TO_DO = {
    Reason.ATTEMPTS_EXHAUSTED: "Every attempt failed. Mend what the last traceback says, then redrive.",
    Reason.GAVE_UP: "The task gave up by itself: trying again as it is will end alike. Edit the arguments, or discard.",
    Reason.TIMED_OUT: "The last attempt took too long. Raise timeout_s, or let the task save checkpoints, then redrive.",
    Reason.CRASHED: "Its process died each time it ran alone: out of memory, a crash in C code, os._exit? Mend it, then redrive.",
    Reason.EXPIRED: "It waited longer than its sender wanted. Redrive if it is still of use: it will not expire again.",
    Reason.UNREADABLE: "The body is no envelope of twolane's: somebody else wrote it. Discard it when you know who.",
    Reason.UNKNOWN_TASK: "No worker knew its task. Deploy the code that does, or keep the old name, then redrive.",
    Reason.INVALID_ARGUMENTS: "The arguments do not fit the task any more. Redrive with --edit, or mend the task first.",
    Reason.UNKNOWN_VERSION: "A newer twolane wrote it. Update the workers, then redrive.",
    Reason.USED_UP: "Its leases ran out before a worker settled it. See the workers' logs, then redrive.",
}


def show_letter(letter: DeadLetter) -> None:
    """Print a dead letter."""
    record, masker = letter.record, Masker.of(letter.body)
    body = masker.body(letter.body)
    line(f"dead  {record.task or '(no envelope)'}  {record.id}", "bold")
    fields(
        [
            ("reason", str(record.reason)),
            ("queue", record.queue),
            ("sent", when(record.sent_at)),
            ("died", when(record.finished_at)),
            ("deliveries", f"{record.deliveries}, {record.crashes} of them ended with their process"),
            ("progress", progress(record, masker)),
            ("customer", masker.value(record.public)),
            (
                "fingerprint",
                fingerprint(record.task, letter.attempts[-1].failure if letter.attempts else None),
            ),
            ("unique key", masker.value(record.unique_key)),
            ("sent by", record.parent),
        ]
    )
    for attempt in letter.attempts:
        show_attempt(attempt, masker)
    show_arguments(letter.body)
    line("body", "bold")
    block(body[:MAX_BODY_CHARS])
    if len(body) > MAX_BODY_CHARS:
        line(f"    ... {len(body)} characters in all; --json prints them")
    line("what to do", "bold")
    line(f"    {_WHAT_TO_DO.get(record.reason or Reason.UNREADABLE, '')}")
    block(
        f"twolane dead redrive {record.id}\n"
        f"twolane dead redrive {record.id} --edit --app module:app\n"
        f"twolane dead discard {record.id}"
    )
