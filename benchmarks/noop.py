"""The task that does nothing, and queues with it."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from twolane import Tasks
from twolane.backends.sqlite import connection
from twolane.engine.task import Task


class Finish:
    """Counts calls, and measures the rate from the first to the last of `total`."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.calls = 0
        self.began = self.ended = 0.0
        self.on_end: Callable[[], object] = lambda: None

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == 1:
            self.began = time.perf_counter()
        elif self.calls == self.total:
            self.ended = time.perf_counter()
            self.on_end()

    @property
    def rate(self) -> float:
        return (self.total - 1) / (self.ended - self.began)


def make_database(folder: Path) -> Path:
    """An empty queue: the product's schema for everybody."""
    path = folder / "twolane.db"
    connection.open_writer(path, create=True).close()
    return path


def open_bare(folder: Path) -> sqlite3.Connection:
    """An empty queue for the sketch: as durable as the product's."""
    db = sqlite3.connect(make_database(folder), isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous = FULL")
    return db


def make_tasks(folder: Path, finish: Callable[[], object] = lambda: None) -> tuple[Tasks, Task]:
    tasks = Tasks(queue=f"sqlite:///{folder / 'twolane.db'}")

    @tasks.task(if_lost="alert", name="noop")
    async def noop(number: int) -> None:
        del number
        finish()

    return tasks, noop


async def send_all(tasks: Tasks, noop: Task, total: int) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(total):
            group.create_task(tasks.send(noop, number))
