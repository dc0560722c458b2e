"""Processes that are forked from one that has imported all: a start costs milliseconds instead of seconds of CPU.

They are as real as others: each has its own id, opens everything anew, and is killed by SIGKILL.
Started as `python forks.py PARTS` it is that one process: it imports PARTS and takes orders, a line of JSON each.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUNS = 1000
"""Instead of an exit code: the process has not ended."""


@dataclass(frozen=True)
class Forked:
    """A process of a round."""

    pid: int
    forks: Forks

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        """Its exit code, or minus the signal that ended it; once. No other process is started meanwhile."""
        return self.forks.ask(wait=self.pid)

    def poll(self) -> int | None:
        """As `wait`, of one that has ended; None: it runs."""
        return None if (code := self.forks.ask(poll=self.pid)) == RUNS else code


class Forks:
    """Starts processes that run `main` of a module.

    Args:
        parts: the module's file.
    """

    def __init__(self, parts: Path) -> None:
        self._guard = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(parts)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def start(self, log: Path, environment: Mapping[str, str], *words: object) -> Forked:
        """Start one; what it writes to its standard streams is appended to `log`."""
        order = {"log": str(log), "environment": dict(environment), "words": [str(word) for word in words]}
        return Forked(self.ask(start=order), self)

    def ask(self, **order: Any) -> int:
        """Give an order, and wait until it is carried out; threads give theirs one after another."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._guard:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        assert answer, "the process that forks has ended"
        return int(answer)

    def close(self) -> None:
        """End it, and all that it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        with self._process:
            self._process.wait()


def _serve(parts: Path) -> None:
    spec = importlib.util.spec_from_file_location(parts.stem, parts)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[parts.stem] = module
    spec.loader.exec_module(module)
    while line := sys.stdin.readline():
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        elif "poll" in order:
            ended, status = os.waitpid(order["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else RUNS
        elif (answer := os.fork()) == 0:
            _become(module, **order["start"])
        print(answer, flush=True)


def _become(module: Any, log: str, environment: dict[str, str], words: list[str]) -> None:
    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for ours, theirs in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(ours, theirs)
        os.environ.update(environment)
        module.main(words)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  (whatever ends it, the log has it)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
