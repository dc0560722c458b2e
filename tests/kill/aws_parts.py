"""What the killed processes on AWS run: parts.py, with what waits for minutes waiting for seconds."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

os.environ.setdefault("TWOLANE_KILL_ATTEMPTS", "100")  # a lease is 4 s, and a function ends after 5

from tests.kill import parts
from tests.kill.aws_attempts import note_held
from twolane.backends.sqs import outbox, reaping
from twolane.engine.limits import Limits
from twolane.wiring.opening import make_runtime

logging.getLogger("botocore").setLevel(logging.WARNING)
outbox.LATE_S = reaping.UNSENT_S = 1.0


def main(words: Sequence[str]) -> None:
    """As that of parts.py; a worker looks every second for what a kill has left, not every twenty."""
    tasks = parts.tasks
    limits = Limits(poll_s=1.0, lease_s=float(tasks.settings.queue.lease_s))
    tasks.swap_runtime(make_runtime(tasks.registry, tasks.settings, limits))
    parts.main(words, note_held)


if __name__ == "__main__":
    main(sys.argv[1:])
