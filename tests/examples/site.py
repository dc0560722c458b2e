"""The flights app as a real server, with a worker process beside it where one is wanted."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.forks import start
from tests.offspring import run_of
from twolane.cli.demo.processes import Processes, is_gone
from twolane.engine.runtime import Runtime
from twolane.engine.task import Registry
from twolane.values.errors import QueueMissing
from twolane.wiring.opening import make_runtime
from twolane.wiring.settings import read_settings

PROJECT = Path(__file__).parents[2] / "examples" / "flights"
SOURCE = Path(__file__).parents[2] / "src"
LISTENS = re.compile(r"running on (http://127\.0\.0\.1:\d+)")


class Forks(Processes):
    """Of `python -P -m`, forked (tests/forks.py)."""

    def start(self, name: str, command: Sequence[str]) -> None:
        run = run_of(command)
        assert run is not None
        self._running[name] = start(
            run.module,
            *run.arguments,
            environment=self._environment,
            stdout=self.log(name),
            session=True,
            safe=run.safe,
        )


class Site:
    """What is served: where, from which folder, and by which processes."""

    def __init__(self, folder: Path, processes: Processes, runtime: Runtime) -> None:
        self.folder = folder
        self.processes = processes
        self.runtime = runtime
        self.url = processes.until(self._listens, "the app to listen")

    def accepted(self) -> int:
        """Messages that the queue has taken."""
        try:
            return self.runtime.stores.records.stats().accepted
        except QueueMissing:
            return 0

    def worker_pid(self) -> int | None:
        """The worker that lives now; None: none yet."""
        try:
            workers = self.runtime.stores.records.stats().workers
        except QueueMissing:
            return None
        alive = [worker.pid for worker in workers if not is_gone(worker.pid)]  # SQS notices a death by and by
        return alive[-1] if alive else None

    def kill_worker_amid(self, import_id: str, *, behind: float = 0.0) -> None:
        """Kill the worker with SIGKILL once it has done this part of an import; its parent starts another."""
        self.processes.until(lambda: self._part_done(import_id) > behind, "the import to get there")
        pid = self.processes.until(self.worker_pid, "a worker")
        os.kill(pid, signal.SIGKILL)
        self.processes.until(partial(is_gone, pid), f"process {pid} to die")

    def log(self) -> str:
        """What the server has said."""
        return self.processes.log("api").read_text(errors="replace")

    def _part_done(self, import_id: str) -> float:
        record = self.runtime.read(import_id)
        return record.done / record.total if record and record.done and record.total else 0.0

    def _listens(self) -> str | None:
        found = LISTENS.search(self.log())
        return found[1] if found else None


@contextmanager
def served(folder: Path, *, worker: bool, **environment: str) -> Iterator[Site]:
    """Serve the app from a folder of its own until the block ends; the environment says where all else lies."""
    local = {
        "TWOLANE_QUEUE": f"sqlite:///{folder / 'twolane.db'}",
        "TWOLANE_BLOBS": f"file:///{folder / 'blobs'}",
        "TWOLANE_WORKER": "off",
    }
    settings = read_settings(environment=local | environment)
    ours = {
        "PYTHONPATH": str(SOURCE),
        **local,
        "FLIGHTS_DB": str(folder / "flights.db"),
        "FLIGHTS_MAIL": str(folder / "mail"),
    }
    python = [sys.executable, "-P", "-m"]
    at = ["app.main:app", "--app-dir", str(PROJECT)]
    runtime = make_runtime(Registry(), settings)
    try:
        with Forks(folder, os.environ | ours | environment) as processes:
            processes.start("api", [*python, "uvicorn", *at, "--port", "0"])
            if worker:
                processes.start("worker", [*python, "twolane", "worker", *at])
            yield Site(folder, processes, runtime)
    finally:
        runtime.close()
