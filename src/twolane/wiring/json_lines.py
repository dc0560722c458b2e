"""A log line as a JSON object: of a function of Lambda, and of `twolane worker --json`. Loads the standard library only."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "aws_request_id", "tenant_id", "asctime"}


class JsonLines(logging.Formatter):
    """Writes records as JSON.

    Attributes:
        request_id: of the present invocation of a function; empty: there is none.
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
