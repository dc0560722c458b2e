"""A bounded pool of daemon threads of our own, whose stuck members can be given up.

Not the standard library's pool: that one joins its threads at exit, so that one stuck task would
keep a process from ending.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]


def _nothing() -> None:
    pass


class Threads:
    """Runs jobs in up to `size` threads, made when needed and kept.

    Args:
        size: how many run at a time.
        name: for the threads.
    """

    def __init__(self, size: int, *, name: str) -> None:
        self._size = size
        self._name = name
        self._jobs: queue.SimpleQueue[tuple[Job, Job] | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._alive = 0
        self._pending = 0
        self._given_up = 0
        self._made = 0

    @property
    def free(self) -> int:
        """How many more jobs would run at once."""
        with self._guard:
            return max(0, self._size - self._pending)

    @property
    def stuck(self) -> int:
        """How many threads are given up and have not come back."""
        return self._given_up

    def submit(self, job: Job, then: Job = _nothing, *, reserved: bool = False) -> None:
        """Run a job in a thread, as soon as one is free; the job handles its own errors.

        Args:
            job: what to run.
            then: called behind it in the same thread, which counts as free by then.
            reserved: a thread was reserved for it.
        """
        with self._guard:
            self._pending += not reserved
            self._make_if_needed()
        self._jobs.put((job, then))

    def reserve(self) -> None:
        """Count a thread as taken, for a job that is submitted later."""
        with self._guard:
            self._pending += 1

    def unreserve(self) -> None:
        """The job will not be submitted."""
        with self._guard:
            self._pending -= 1

    def give_up(self) -> None:
        """One of the running jobs is stuck: another thread may take its place."""
        with self._guard:
            self._given_up += 1
            self._pending -= 1
            self._make_if_needed()

    def came_back(self) -> None:
        """A job that was given up has ended after all."""
        with self._guard:
            self._given_up -= 1
            self._pending += 1

    def close(self) -> None:
        """Let idle threads end; running jobs are daemons and end with the process."""
        with self._guard:
            for _ in range(self._alive):
                self._jobs.put(None)

    def _make_if_needed(self) -> None:
        if self._alive - self._given_up < min(self._size, self._pending):
            self._alive += 1
            self._made += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._made}", daemon=True).start()

    def _work(self) -> None:
        while (taken := self._jobs.get()) is not None:
            job, then = taken
            try:
                job()
            finally:
                with self._guard:
                    self._pending -= 1
                    surplus = self._alive - self._given_up > self._size
                    if surplus:
                        self._alive -= 1
            then()
            if surplus:
                return
