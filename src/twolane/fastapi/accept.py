"""Which of the two forms of a status a request prefers: JSON or events."""

from __future__ import annotations

from collections.abc import Iterable

_EVENTS = "text/event-stream"
_JSON = {"application/json": 2, "application/*": 1, "*/*": 0}


def prefers_events(accept: Iterable[str]) -> bool:
    """Whether events are asked for by name, and not JSON before them.

    Args:
        accept: the Accept headers. `*/*` or none at all means JSON, and so does what cannot be read.
    """
    events: tuple[float, int, int] | None = None
    plain: tuple[float, int, int] | None = None
    for position, part in enumerate(",".join(accept).lower().split(",")):
        name, *parameters = (each.strip() for each in part.split(";"))
        quality = _quality(parameters)
        if quality <= 0:
            continue
        if name == _EVENTS:
            events = max(events or (0.0, 0, 0), (quality, 2, -position))
        elif name in _JSON:
            plain = max(plain or (0.0, 0, 0), (quality, _JSON[name], -position))
    return events is not None and (plain is None or events > plain)


def _quality(parameters: Iterable[str]) -> float:
    for each in parameters:
        key, _, value = each.partition("=")
        if key.strip() == "q":
            try:
                return min(float(value), 1.0)
            except ValueError:
                return 0.0
    return 1.0
