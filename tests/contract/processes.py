"""Real processes over one SQLite file, for the laws that only a kill can show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_HEAD = """
import os, signal, sys
from tests.clock import FakeClock
from twolane.backends.sqlite import SqliteQueue
from twolane.contracts.queue import *
from twolane.contracts.upkeep import *
from twolane.values.record import WorkerInfo

clock = FakeClock()

def outgoing(id, **fields):
    return Outgoing(id, "default", "app:work", "{}", "d", clock.now(), **fields)

def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Deadly(tuple):
    # a batch that kills its process when it is looked at: in the middle of the flush
    def __iter__(self):
        die()

path = sys.argv[1]
queue = SqliteQueue(path, clock=clock)
"""


def start(path: Path, script: str) -> subprocess.Popen[str]:
    """Run a script in a new interpreter; `queue`, `outgoing`, `say`, `die` and `Deadly` are there."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _HEAD + script, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def lines_of(process: subprocess.Popen[str]) -> list[str]:
    """What it said until it ended."""
    return process.communicate(timeout=60)[0].splitlines()
