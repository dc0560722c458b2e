"""How many transactions a SQLite database committed: read from its write-ahead log, whoever wrote it."""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


def commits_in_log(database: Path) -> int:
    """Commits since the log was begun anew. A frame that ends a commit carries the database's size."""
    log = Path(f"{database}-wal").read_bytes()
    page_bytes, _, *salts = struct.unpack(">4I", log[8:24])
    step = _FRAME_HEADER_BYTES + page_bytes
    frames = (struct.unpack(">4I", log[at : at + 16]) for at in range(_HEADER_BYTES, len(log), step))
    return sum(size > 0 for _, size, *marks in frames if marks == salts)
