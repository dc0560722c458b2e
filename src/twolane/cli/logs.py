"""Where a worker's log lines go when nobody has said so: standard error, plain or as JSON, one line a state change."""

from __future__ import annotations

import logging


def log_to_stderr(*, as_json: bool = False) -> None:
    """Show INFO of twolane and WARNING of all others, unless the app has configured logging itself.

    Args:
        as_json: each line is a JSON object.
    """
    ours = logging.getLogger("twolane")
    if ours.hasHandlers():
        return
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if as_json:
        from twolane.wiring.json_lines import JsonLines

        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonLines())
    ours.setLevel(logging.INFO)
