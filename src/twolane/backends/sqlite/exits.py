"""What is closed in order when the interpreter ends: connections, under the write lock."""

from __future__ import annotations

import atexit
import weakref
from typing import Protocol


class Closing(Protocol):
    """Something with connections to close."""

    def close(self) -> None:
        """Close them."""
        ...


_open: weakref.WeakSet[Closing] = weakref.WeakSet()


def close_at_exit(owner: Closing) -> None:
    """Have `owner.close()` called when the interpreter ends, if it still exists."""
    _open.add(owner)


@atexit.register
def _close_all() -> None:
    for owner in list(_open):
        owner.close()
