"""What must be written out before a queue on SQS starts: where its state is, and who is told of a death.

SQS keeps neither. So leaving one out makes a smaller promise, and nobody makes it by forgetting a setting
(DESIGN.md section 4).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from twolane.values.errors import SettingsError

MISSING = (
    "status and progress, cancellation, checkpoints, unique keys, fencing against stale receipts, dead letters beyond "
    "the dead-letter queue's retention, the watch, and alerts that outlive the process in which a task died"
)
"""What there is none of without a state store."""

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")


def read_state(text: str | None, source: str) -> str | None:
    """Read `dynamodb://TABLE`: the table; None: `none` is written out.

    Raises:
        SettingsError: nothing is written out, or no address.
    """
    if text == "none":
        return None
    if text is None:
        raise SettingsError(
            'SQS keeps no state: set TWOLANE_STATE=dynamodb://TABLE. Or write out Tasks(state="none"), or '
            f"TWOLANE_STATE=none, and do without: {MISSING}"
        )
    parts = urlsplit(text)
    if parts.scheme != "dynamodb" or not _TABLE.fullmatch(parts.netloc) or parts.path.strip("/"):
        raise SettingsError(f"{source} takes dynamodb://TABLE or none, not {text!r}")
    return parts.netloc


def require_alerts(*, said: bool) -> None:
    """See that somebody is told of deaths: in production nobody watches a terminal.

    Args:
        said: it is written out who.

    Raises:
        SettingsError: it is not.
    """
    if not said:
        raise SettingsError(
            'who is told when a task dies? Beside SQS, set TWOLANE_ALERTS; or write out Tasks(alerts="log"), or '
            "TWOLANE_ALERTS=log, where somebody reads the log"
        )
