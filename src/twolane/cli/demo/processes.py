"""The app and its worker as processes of their own, with logs; what is waited for is watched with a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

from twolane.cli.demo.failure import DemoFailed

T = TypeVar("T")

LOOK_EVERY_S = 0.005
WITHIN_S = 60.0
STOP_S = 8.0
TAIL_LINES = 20


class Processes:
    """Processes that end with the `with` block, whatever ends it.

    Args:
        folder: where their logs go.
        environment: what they see.
        look_every_s: the pause between two looks at what is waited for, in seconds.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self._folder = folder
        self._environment = environment
        self._look_every_s = look_every_s
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process in a group of its own, so that Ctrl-C reaches it through us alone."""
        with self.log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603  (our own command)
                command,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self._folder / f"{name}.log"

    def until(self, look: Callable[[], T | None], what: str, *, within_s: float = WITHIN_S) -> T:
        """Look again and again until there is something to see.

        Raises:
            DemoFailed: it is too late, or a process has ended.
        """
        deadline = time.monotonic() + within_s
        while not (seen := look()):
            ended = [name for name, process in self._running.items() if process.poll() is not None]
            if ended:
                raise DemoFailed(
                    f"{ended[0]} ended with exit code {self._running[ended[0]].returncode} while the demo "
                    f"waited for {what}.{self.tails()}"
                )
            if time.monotonic() > deadline:
                raise DemoFailed(f"{what}: not within {within_s:g} s.{self.tails()}")
            time.sleep(self._look_every_s)
        return seen

    def tails(self) -> str:
        """The end of each log, of processes that others started, too."""
        ends: list[str] = []
        for log in sorted(self._folder.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            ends.append("\n".join([f"\n--- the end of {log.name}", *lines]))
        return "".join(ends)

    def stop(self) -> None:
        """End all of them: ask first, then kill them with what they started."""
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + STOP_S
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C hurries
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._running.clear()


def is_gone(pid: int) -> bool:
    """Whether a process has ended and was waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
