"""How many deliveries a worker may take: a count under a lock, since the batcher's thread asks too."""

from __future__ import annotations

import threading


class Slots:
    """A worker's slots; one receive at a time holds a reservation.

    Args:
        size: how many deliveries run at a time.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._receiving = False
        self._guard = threading.Lock()

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing is being received."""
        with self._guard:
            return self._taken == 0

    @property
    def receiving(self) -> bool:
        """A receive is under way."""
        with self._guard:
            return self._receiving

    def reserve(self, most: int | None = None) -> tuple[int, bool]:
        """Reserve the free slots for one receive.

        Args:
            most: reserve no more than so many.

        Returns:
            How many were reserved, 0 if a receive is under way; and whether nothing else ran.
        """
        with self._guard:
            free = self._size - self._taken
            if most is not None:
                free = min(free, most)
            if self._receiving or free <= 0:
                return 0, False
            idle = self._taken == 0
            self._receiving = True
            self._taken += free
            return free, idle

    def received(self, reserved: int, used: int) -> None:
        """The receive has come back: `used` of the reserved slots are taken, the others free again."""
        with self._guard:
            self._receiving = False
            self._taken -= reserved - used

    def free_one(self) -> None:
        """A delivery's function has ended."""
        with self._guard:
            self._taken -= 1
