"""The log of a function: a JSON object a line, with the id of the request.

Where the function's log format is JSON, the runtime writes such lines by itself. Where the app has set up the logger
`twolane`, that stays as it is.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "aws_request_id", "tenant_id", "asctime"}


class JsonLines(logging.Formatter):
    """Writes records as JSON.

    Attributes:
        request_id: of the present invocation; empty: there is none.
    """

    request_id = ""

    def format(self, record: logging.LogRecord) -> str:
        """One line; what a record carries beside its text is a field of its own."""
        fields: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self.request_id:
            fields["requestId"] = self.request_id
        fields |= {name: value for name, value in vars(record).items() if name not in _PLAIN}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


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
