"""What a message about deaths says: plain text, without secrets, in every script, short enough for its target."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from twolane.engine.masking import Masker
from twolane.values.fingerprint import headline, where
from twolane.values.record import DeadLetter, State
from twolane.values.telling import Notice, Owed, OwedKind

WIDTH = 96
MAX_LINE_CHARS = 400
MAX_TEXT_CHARS = 20_000
"""Longer text is cut before anything is looked for in it."""
MAX_KINDS = 20
_PLAIN = Masker()
_DONE_ABOUT_IT = {State.DISCARDED: "discarded it"}
_JOINERS = "\u200c\u200d"
_CALLS = re.compile(r"@(?=everyone\b|here\b|channel\b|all\b)|<(?=[!@#&])", re.IGNORECASE)

Because = Callable[[str], str]
"""Answers a task's `because=` by its name; empty: it gave none, or it is not known here."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a target: a line, and the text below it."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class LastOfKind:
    """What is known of the last message of a kind beyond its error.

    Attributes:
        masker: knows the secrets among its arguments.
        at: the innermost line of the app's own code that it died at; empty: not known.
    """

    masker: Masker
    at: str = ""


def about_death(letter: DeadLetter, because: str = "", address: str = "", *, error: str = "") -> Message:
    """One death: what died, why, how often it was tried, since when, what to do.

    Args:
        letter: who died; somebody may have sent it back or discarded it since.
        because: the task's reason for its answer.
        address: the queue's address, for the commands; empty: not said.
        error: its last error in one line, for one whose attempts are gone.
    """
    record, masker = letter.record, Masker.of(letter.body)
    lines = [f"message {record.id}, queue {record.queue}, sent {when(record.sent_at)}"]
    if letter.attempts:
        last = letter.attempts[-1]
        lines.append(f"attempt {last.number}: {one_line(masker.headline(headline(last.failure)), masker)}")
        if at := where(last.failure.traceback):
            lines.append(f"at {one_line(at, masker)}")
    elif error:
        lines.append(_type_of(error))
    if len(letter.attempts) > 1:
        first = min(attempt.failure.started_at for attempt in letter.attempts)
        lines.append(f"{len(letter.attempts)} attempts since {when(first)}")
    if because:
        lines.append(f"It must not vanish, because {one_line(because)}")
    is_dead = record.state is State.DEAD
    lines.append(
        "It is kept and will not be tried again by itself."
        if is_dead
        else f"Somebody has {_DONE_ABOUT_IT.get(record.state, 'sent it back')} meanwhile: it is {record.state} now."
    )
    if address:
        lines.append(f"Its queue: TWOLANE_QUEUE={address}")
    if is_dead:
        lines += [f"See it: twolane dead show {record.id}", f"Try it again: twolane dead redrive {record.id}"]
    else:
        lines.append(f"See it: twolane status {record.id}")
    return Message(f"task {one_line(record.task) or '(unreadable)'} died: {record.reason}", "\n".join(lines))


def about_notice(notice: Notice, address: str = "") -> Message:
    """A notice, as whoever owed it wrote it."""
    lines = [one_line(line) for line in notice.body.splitlines()]
    if address:
        lines.append(f"The queue: TWOLANE_QUEUE={address}")
    return Message(one_line(notice.title), "\n".join(lines))


def shown_in_digest(owed: Owed) -> tuple[OwedKind, ...]:
    """The kinds that a digest tells by name."""
    notices = [kind for kind in owed.kinds if kind.notice]
    deaths = [kind for kind in owed.kinds if not kind.notice]
    return (*notices[:MAX_KINDS], *deaths[:MAX_KINDS])


def digest(
    owed: Owed, because: Because, address: str = "", last: Mapping[str, LastOfKind] | None = None
) -> Message:
    """Many deaths, by kind: how many, since when, the last error of each.

    Args:
        owed: what is owed.
        because: a task's reason for its answer.
        address: the queue's address, for the commands; empty: not said.
        last: the last message of each kind, by fingerprint; one that is gone is not there.
    """
    deaths = [kind for kind in owed.kinds if not kind.notice]
    notices = [kind for kind in owed.kinds if kind.notice]
    shown, last = shown_in_digest(owed), last or {}
    lines = [line for kind in shown for line in _of_kind(kind, because, last.get(kind.fingerprint))]
    if hidden := len(owed.kinds) - len(shown):
        lines.append(f"... and {hidden} more kind(s)")
    if deaths:
        lines.append("They are kept and will not be tried again by themselves.")
    if address:
        lines.append(f"Their queue: TWOLANE_QUEUE={address}")
    if deaths:
        lines.append("See them: twolane dead list --group")
    return Message(_digest_title(deaths, notices), "\n".join(lines))


def boxed(message: Message) -> str:
    """A message as a box of plain text, so that it stands out on a terminal."""
    lines = [message.title, *message.body.splitlines()]
    wrapped = [part for line in lines for part in _wrapped(line, WIDTH - 4)]
    rule = "+" + "-" * (WIDTH - 2) + "+"
    padded = (line + " " * (WIDTH - 4 - columns(line)) for line in wrapped)
    return "\n".join(["", rule, *(f"| {line} |" for line in padded), rule])


def _wrapped(line: str, width: int) -> list[str]:
    """A line in lines of so many columns at most; a word longer than that is cut."""
    done: list[str] = []
    now = ""
    for word in line.split(" "):
        joined = f"{now} {word}" if now else word
        if columns(joined) > width:
            *whole, joined = _cut(word, width)
            done += [now, *whole] if now else whole
        now = joined
    return [*done, now]


def _cut(word: str, width: int) -> list[str]:
    pieces, free = [""], width
    for char in word:
        if (wide := columns(char)) > free:
            pieces.append("")
            free = width
        pieces[-1] += char
        free -= wide
    return pieces


def columns(text: str) -> int:
    """How wide a terminal shows a text: most signs of Chinese, Japanese and Korean take two columns, accents of their own none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def one_line(text: str, masker: Masker = _PLAIN) -> str:
    """Text as one line: no control characters, no secrets, nothing that calls a whole channel; clipped.

    Args:
        text: what somebody else wrote.
        masker: of the message it is about, which knows the secrets among its arguments.
    """
    return clipped(
        _CALLS.sub(r"\g<0> ", masker.text(printable(masker.text(text[:MAX_TEXT_CHARS])))), MAX_LINE_CHARS
    )


def printable(text: str) -> str:
    """Text without control characters, so that a message cannot write over a terminal."""
    return "".join(char if char.isprintable() or char in _JOINERS else " " for char in text)


def clipped(text: str, chars: int) -> str:
    """Text of so many characters at most, its end marked where it is cut."""
    return text if len(text) <= chars else text[: max(0, chars - 3)] + "..."[:chars]


def when(epoch_s: float) -> str:
    """A time, to the second, in UTC."""
    try:
        return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{epoch_s:g} s after 1970"


def _digest_title(deaths: Sequence[OwedKind], notices: Sequence[OwedKind]) -> str:
    if not deaths:
        return one_line(notices[0].error) if len(notices) == 1 else f"{len(notices)} notices"
    count = sum(kind.count for kind in deaths)
    names = sorted({one_line(kind.task) or "(unreadable)" for kind in deaths if kind.id})
    title = f"{count:,} task(s) died: {', '.join(names[:3])}"
    if len(names) > len(names[:3]):
        title += f" and {len(names) - 3} more"
    return title + (f"; {len(notices)} notice(s)" if notices else "")


def _type_of(error: str) -> str:
    """An error in one line without its text: nobody knows any more which secrets may be in it."""
    return one_line(error.partition(":")[0])


def _of_kind(kind: OwedKind, because: Because, last: LastOfKind | None) -> list[str]:
    since = f"since {when(kind.first_at)}"
    if kind.notice:
        return [f"{one_line(kind.error)} ({since})"]
    masker = last.masker if last else None
    error = _type_of(kind.error) if masker is None else one_line(masker.headline(kind.error), masker)
    lines = [f"{kind.count:,} x {one_line(kind.task) or '(unreadable)'}: {kind.reason}: {error}"]
    if last and last.at:
        lines.append(f"    at {one_line(last.at, last.masker)}")
    lines.append(
        f"    {since}, the last {when(kind.last_at)}; twolane dead list --fingerprint {kind.fingerprint}"
    )
    if reason := because(kind.task):
        lines.append(f"    It must not vanish, because {one_line(reason)}")
    return lines
