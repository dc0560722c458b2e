"""Lengths of time and sizes in the one unit that tells most."""

from __future__ import annotations

_TIMES = (("d", 86_400), ("h", 3_600), ("min", 60))
_SIZES = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def length(seconds: float | None) -> str:
    """A length of time, such as `1.5 h`; `-` where there is none."""
    if seconds is None:
        return "-"
    for unit, size in _TIMES:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def size(count_bytes: int) -> str:
    """A number of bytes, such as `1.5 GiB`."""
    for unit, factor in _SIZES:
        if count_bytes >= factor:
            return f"{count_bytes / factor:.1f} {unit}"
    return f"{count_bytes} bytes"
