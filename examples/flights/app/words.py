"""Numbers, sizes and times as people read them; filters of the templates."""

from datetime import datetime


def count(number: float | None) -> str:
    """12,345; nothing is known: a dash."""
    return "-" if number is None else f"{number:,.0f}"


def megabytes(size_bytes: float) -> str:
    """50 MB; 0.25 MB."""
    return f"{size_bytes / 1e6:g} MB"


def duration(seconds: float | None) -> str:
    """12 s; 3 min 20 s; 2 h 5 min."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{max(rest, 1)} s"


def time(at: datetime) -> str:
    """7 March 2026, 14:02 UTC."""
    return f"{at.day} {at:%B %Y, %H:%M} UTC"
