"""Real worker processes, watched by their log and by the journal of their tasks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.forks import Forked, start
from tests.waiting import WITHIN_S, until

HERE = Path(__file__).parent


class Worker:
    """A `twolane worker` in a session of its own.

    Args:
        folder: where its log goes.
        target: its app.
        *options: of the command.
        app_dir: where the app is.
        interpreter: an interpreter starts it and its child, as a person's does, in place of a fork.
        **env: beside the environment of the tests.
    """

    def __init__(
        self,
        folder: Path,
        target: str,
        *options: str,
        app_dir: Path = HERE,
        interpreter: bool = False,
        **env: str,
    ) -> None:
        self._log = folder / f"log-{time.monotonic_ns()}"
        command = ("twolane", "worker", target, "--app-dir", str(app_dir), *options)
        environment = {**os.environ, **env}
        if interpreter:
            with self._log.open("wb") as log:
                self.process: Forked | subprocess.Popen[bytes] = subprocess.Popen(
                    [sys.executable, "-m", *command], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
        else:
            self.process = start(*command, environment=environment, stdout=self._log, session=True)

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def child(self) -> int:
        """The pid of the last process that was ready."""
        return self.children()[-1]

    def children(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"worker process (\d+) is ready", self.log)]

    def until_ready(self, times: int = 1) -> Worker:
        self.until(lambda: len(self.children()) >= times, f"ready {times} time(s)")
        return self

    def until_logged(self, text: str) -> None:
        self.until(lambda: text in self.log, text)

    def until(self, condition: Callable[[], object], what: str) -> None:
        until(lambda: condition() or self.process.poll() is not None, what, told=lambda: self.log)
        assert condition(), f"the parent ended with {self.process.poll()} before: {what}\n{self.log}"

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def signal_all(self, number: int) -> None:
        """As a terminal does at Ctrl-C, and systemd at a stop: to parent and child."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def exit_code(self) -> int:
        try:
            return self.process.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end\n{self.log}") from None

    def stop(self) -> int:
        self.signal()
        return self.exit_code()

    def clear_away(self) -> None:
        """End whatever is left of the session."""
        if self.process.poll() is None:
            self.signal_all(signal.SIGKILL)
            self.process.wait()
        for pid in self.children():
            if lives(pid):
                os.kill(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")
