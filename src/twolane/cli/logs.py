"""Where a worker's log lines go when nobody has said so: standard error, plain, one line a state change."""

from __future__ import annotations

import logging


def log_to_stderr() -> None:
    """Show INFO of twolane and WARNING of all others, unless the app has configured logging itself."""
    ours = logging.getLogger("twolane")
    if ours.hasHandlers():
        return
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    ours.setLevel(logging.INFO)
