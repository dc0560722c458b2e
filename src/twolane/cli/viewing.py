"""A view that goes on until Ctrl-C: drawn anew on a terminal, or a line of JSON each time."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from types import FrameType

from rich.console import Group, RenderableType
from rich.live import Live

from twolane.cli import forms
from twolane.cli.screen import console, text
from twolane.values.errors import QueueError, UsageError
from twolane.values.record import State, Stats


class Pace:
    """How many messages are done in a second, between one look and the next."""

    def __init__(self) -> None:
        self._before: tuple[float, int] | None = None

    def done_a_second(self, found: Stats) -> str:
        """For the end of a line; empty at the first look."""
        now = time.monotonic()
        done = sum(queue.counts[State.DONE] for queue in found.queues.values())
        done += found.pruned.get(State.DONE, 0)
        before, self._before = self._before, (now, done)
        if before is None or now <= before[0]:
            return ""
        return f"; {(done - before[1]) / (now - before[0]):.1f} done a second"


def view_until_interrupted(parts: Callable[[int], Iterable[RenderableType]], interval_s: float) -> None:
    """Draw what `parts` answers for a width, again and again. A queue that cannot be read later on is said there.

    Raises:
        UsageError: standard output is no terminal.
        QueueError: the queue cannot be read the first time.
    """
    out = console()
    if not out.is_terminal:
        raise UsageError("--watch draws on a terminal, and this is none: add --json for a line each time")
    with _interrupts() as ended, Live(Group(*parts(out.width)), console=out, auto_refresh=False) as live:
        live.refresh()
        while not ended.wait(interval_s):
            try:
                live.update(Group(*parts(out.width)), refresh=True)
            except QueueError as error:
                live.update(text(f"the queue cannot be read now: {error}", "bold red"), refresh=True)


def lines_until_interrupted(form: Callable[[], forms.Form], interval_s: float) -> None:
    """Print a form in a line, again and again. A queue that cannot be read later on is a line with `error`.

    Raises:
        QueueError: the queue cannot be read the first time.
    """
    with _interrupts() as ended:
        made = form()
        while True:
            try:
                forms.print_json_line(made)
            except BrokenPipeError:  # who read has gone: that is how `head` ends it
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return
            if ended.wait(interval_s):
                return
            try:
                made = form()
            except QueueError as error:
                made = {"error": str(error)}


@contextmanager
def _interrupts() -> Generator[threading.Event]:
    """Set by Ctrl-C or SIGTERM: the terminal is left as it was."""
    ended = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
