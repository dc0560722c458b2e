"""Two tasks that go wrong, for `make demo` alone: leave this file out of what you copy."""

import os
import signal

from twolane import Backoff, Tasks

BECAUSE = "the demo shows how a human is told"


def always_raises() -> None:
    """Fail each time."""
    raise RuntimeError("this task always raises")


def kills_its_process() -> None:
    """Take the whole worker down each time."""
    os.kill(os.getpid(), signal.SIGKILL)


def add_to(tasks: Tasks) -> None:
    """Make them tasks."""
    soon = Backoff(base_s=0.2)
    for fn in (always_raises, kills_its_process):
        tasks.task(if_lost="alert", name=fn.__name__, max_attempts=2, backoff=soon, because=BECAUSE)(fn)
