"""Of the threads that call AWS one at a time computes; while its request is on its way, the next one does.

A call of botocore is two milliseconds of Python, most of it before the request leaves. An event loop that wakes up waits for
the interpreter lock, which has no queue: with five threads that compute it may wait for all of them, and longer than 5 ms.
So a thread that begins also lets go of that lock for a moment: who waits for it is next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

WAIT_S = 0.02
"""Nobody waits for longer: the one that computes may have met something slow, such as credentials that are renewed."""
BREATH_S = 0.0002
PIECE = 12
"""So many rows of messages take some 0.3 ms."""


class Computing:
    """`with computing:` round a call; `leave` when its request is about to go.

    Args:
        wait_s: who has waited for so long goes on beside the one whose turn it is.
        breathe: lets other threads run for so many seconds.
    """

    def __init__(self, *, wait_s: float = WAIT_S, breathe: Callable[[float], None] = time.sleep) -> None:
        self._wait_s = wait_s
        self._breathe = breathe
        self._turn = threading.Lock()
        self._mine = _Mine()

    @property
    def is_taken(self) -> bool:
        """Whether it is some thread's turn."""
        return self._turn.locked()

    def __enter__(self) -> None:
        self._mine.held = self._turn.acquire(timeout=self._wait_s)
        self._breathe(BREATH_S)

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self, **_: Any) -> None:
        """The next one may compute; more than once is harmless. An event of botocore's calls it so."""
        if self._mine.held:
            self._mine.held = False
            self._turn.release()


def in_breaths(things: Iterable[T], breathe: Callable[[float], None] = time.sleep) -> Iterator[T]:
    """The same things, of which each takes a while; now and then other threads are let in between."""
    for number, thing in enumerate(things, 1):
        yield thing
        if number % PIECE == 0:
            breathe(BREATH_S)


class _Mine(threading.local):
    held = False
