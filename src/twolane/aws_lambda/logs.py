"""The log of a function: a JSON object a line, with the id of the request.

Where the function's log format is JSON, the runtime writes such lines by itself. Where the app has set up the logger
`twolane`, that stays as it is.
"""

from __future__ import annotations

import logging
import os
import sys

from twolane.wiring.json_lines import JsonLines


def write_json(lines: JsonLines) -> None:
    """Let twolane's log be JSON from now on, from level INFO on, unless somebody has said something else."""
    logger = logging.getLogger("twolane")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if logger.handlers or os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON":
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(lines)
    logger.addHandler(handler)
    logger.propagate = False
