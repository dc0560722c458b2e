"""Metrics in CloudWatch's embedded metric format: a line of JSON on standard output, which Lambda's log becomes.

docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from typing import Any

from twolane.contracts.sweeping import Gauge

NAMESPACE = "twolane"
METRICS = {
    "Deaths": "Count",
    "DeadLetters": "Count",
    "Backlog": "Count",
    "AgeOfOldest": "Seconds",
    "InFlight": "Count",
}
"""Each metric's unit. Alarm on the sum of `Deaths` over a minute, and on the largest `AgeOfOldest`."""
DIMENSIONS = ("Address", "Queue")


def line_of(gauge: Gauge, address: str, now: float) -> str:
    """The metrics of one queue.

    Args:
        gauge: what was read.
        address: the queue's, as TWOLANE_QUEUE says it: tells two apps apart.
        now: the time, in epoch seconds.
    """
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(DIMENSIONS)],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in METRICS.items()],
    }
    line: dict[str, Any] = {
        "_aws": {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]},
        "Address": address,
        "Queue": gauge.queue,
        "Deaths": gauge.deaths,
        "DeadLetters": gauge.dead,
        "Backlog": gauge.backlog,
        "AgeOfOldest": round(gauge.oldest_s, 3),
        "InFlight": gauge.in_flight,
    }
    return json.dumps(line, ensure_ascii=True, allow_nan=False)
