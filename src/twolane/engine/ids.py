"""Message ids: UUIDv7 (RFC 9562), made by the sender, so that a send can be repeated under the same id.

The 12 bits after the milliseconds hold the fraction of the millisecond (section 6.2, method 3): ids
sort by the time they were made, to a quarter of a microsecond, and nothing is remembered between two.
"""

from __future__ import annotations

import os
import time

RANDOM_BYTES = 8
"""How many random bytes an id takes; 62 of their bits are kept."""

_LATEST_S = 2**48 / 1000


def make_id(epoch_s: float, random: bytes) -> str:
    """Make an id out of a time and random bytes.

    Args:
        epoch_s: the time of day, in epoch seconds.
        random: 8 random bytes.

    Raises:
        ValueError: another number of bytes, or a time that an id cannot hold.
    """
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"an id takes {RANDOM_BYTES} random bytes, not {len(random)}")
    if not 0 <= epoch_s < _LATEST_S:
        raise ValueError(f"an id holds a time from 1970 to the year 10889, not {epoch_s!r}")
    ticks = int(epoch_s * 4_096_000)
    head = (ticks >> 12 << 16 | 0x7000 | ticks & 0xFFF).to_bytes(8, "big").hex()  # a third of what UUID takes
    tail, variant = random.hex(), "89ab"[random[0] >> 4 & 3]
    return f"{head[:8]}-{head[8:12]}-{head[12:]}-{variant}{tail[1:4]}-{tail[4:]}"


def new_id() -> str:
    """Make an id out of the system's time and randomness."""
    return make_id(time.time(), os.urandom(RANDOM_BYTES))
