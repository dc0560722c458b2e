"""What belongs to one process only: no connection and no lock is carried over a fork.

A forked child that closed an inherited connection could checkpoint beside its parent, and one that
kept an inherited lock file open would keep a dead parent alive in the eyes of others. Here: the
register of such owners and what happens to them in the child. DESIGN.md sections 4 and 8.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, Protocol


class Owner(Protocol):
    """Somebody who holds what must not be used in a forked child."""

    def abandon(self) -> None:
        """Let go of everything inherited, in the child: close plain files, leave connections alone."""
        ...


_owners: weakref.WeakSet[Owner] = weakref.WeakSet()


def abandon_after_fork(owner: Owner) -> None:
    """Have `owner.abandon()` called in every child forked from now on."""
    _owners.add(owner)


def never_close(connection: Any) -> None:
    """Keep an inherited connection from being closed by this child, even when the interpreter ends."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _abandon_all() -> None:
    for owner in list(_owners):
        owner.abandon()


os.register_at_fork(after_in_child=_abandon_all)
