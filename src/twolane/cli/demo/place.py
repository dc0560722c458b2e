"""Where the story is played: what the app is told, who works, and what must be left there at the end.

The story knows no more of a place than this. Here is the one that needs nothing: a SQLite file on this machine, and a
worker process. Another is given to `run(place=...)`; `make demo AWS=1` has one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from twolane.cli.demo.accounts import DEATHS, Death, Deaths
from twolane.cli.demo.example import TARGET
from twolane.cli.demo.processes import LOOK_EVERY_S, Processes, is_gone
from twolane.contracts.records import Records
from twolane.values.errors import QueueMissing

PYTHON = (sys.executable, "-P", "-m")
"""Nothing from the folder a person happens to be in."""


class Place(Protocol):
    """Where the story is played."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What the app, its workers and we are told of the place: `TWOLANE_QUEUE` and so on."""
        ...

    @property
    def deaths(self) -> Deaths:
        """Which dead letters the story ends with here, by task and reason."""
        ...

    @property
    def look_every_s(self) -> float:
        """The pause between two looks at the queue, in seconds: a file is read for nothing, a service is not."""
        ...

    def start_workers(self, processes: Processes, example: Path, environment: Mapping[str, str]) -> None:
        """See that what waits is run from now on.

        Args:
            processes: where processes of the story are started.
            example: the folder of the app.
            environment: what workers see.
        """
        ...

    def worker_pid(self, records: Records) -> int | None:
        """The process that works now, to be killed; None: there is none."""
        ...

    def introduced(self, processes: Processes, records: Records) -> str:
        """Who works here, for people; waits until they do.

        Raises:
            DemoFailed: they do not come up.
        """
        ...

    def left(self, deaths: Sequence[Death]) -> list[str]:
        """What is left in the queue at the end and should not, a sentence each."""
        ...


Opener = Callable[[Path], AbstractContextManager[Place]]
"""Opens a place in a folder, for as long as the block lasts."""


@dataclass(frozen=True)
class ThisMachine:
    """A SQLite file, and a worker process beside the app."""

    environment: Mapping[str, str]
    deaths: Deaths = DEATHS
    look_every_s: float = LOOK_EVERY_S

    def start_workers(self, processes: Processes, example: Path, environment: Mapping[str, str]) -> None:
        """One worker process; its parent starts another after a kill."""
        del environment
        processes.start("worker", [*PYTHON, "twolane", "worker", TARGET, "--app-dir", str(example)])

    def worker_pid(self, records: Records) -> int | None:
        """The worker process; None: it has not come up yet."""
        try:
            workers = records.stats().workers
        except QueueMissing:
            return None  # the worker makes the file when it starts
        return next((worker.pid for worker in workers if not is_gone(worker.pid)), None)

    def introduced(self, processes: Processes, records: Records) -> str:
        """The worker's process."""
        pid = processes.until(lambda: self.worker_pid(records), "the worker to start")
        return f"its worker is process {pid}"

    def left(self, deaths: Sequence[Death]) -> list[str]:
        """Nothing can be: the queue and its ledger are one file."""
        del deaths
        return []


@contextmanager
def this_machine(folder: Path) -> Generator[Place]:
    """A place below a folder."""
    yield ThisMachine(
        {
            "TWOLANE_QUEUE": f"sqlite:///{folder / 'twolane.db'}",
            "TWOLANE_BLOBS": f"file:///{folder / 'blobs'}",
            "TWOLANE_WORKER": "off",
        }
    )
