"""`python -m MODULE`, forked from a process that has imported most of it: a start costs milliseconds, not seconds.

    process = start("uvicorn", "app:app", environment={...}, folder=folder, stdout=log)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0

Such a process is as real as another: it has its own id, environment, folder and files, imports our code anew, hears
signals and dies of them. What it starts itself by `python -m` is forked too (offspring.py). Of Python's own variables PYTHONPATH and PYTHONUNBUFFERED count. It is no child of this process: the
one that forks waits for it, and tells how it ended (forking.py). Each process of a test run has one that forks, from
the first start on.

Where the start itself is what a test is about, it starts an interpreter instead.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
PARTS = (
    "apprise",
    "botocore.session",
    "fastapi",
    "jinja2",
    "obstore",
    "pydantic.type_adapter",
    "python_multipart",
    "rich.console",
    "simplejson",
    "typer",
    "uvicorn.main",
    "uvicorn_worker",
    "twolane.*",
    "described",
)
"""What most of them import; `described` lies beside this file. Nothing that reads the environment as it is imported: each
has its own."""
NUMBER = struct.Struct("!i")
"""How a process id and an exit code are told."""
File = int | IO[bytes] | IO[str]


class Forked:
    """A process, as `subprocess.Popen` has it.

    Args:
        told: the pipe through which it is told: its id, and later its exit code. Closed with this object.
    """

    def __init__(self, told: int) -> None:
        self._told = told
        weakref.finalize(self, os.close, told)
        self._guard = threading.Lock()
        self._code: int | None = None
        self.pid = self._hear()

    def poll(self) -> int | None:
        """As `wait`; None: it runs."""
        return self.wait(0) if self._has_ended(0) else None

    def wait(self, timeout_s: float | None = None) -> int:
        """Its exit code, or minus the signal that ended it. Several threads may wait at once.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        if not self._has_ended(timeout_s):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout_s or 0.0)
        with self._guard:
            if self._code is None:
                self._code = self._hear()
        return self._code

    @property
    def returncode(self) -> int | None:
        """Its exit code, where somebody has waited for it or polled."""
        return self._code

    def send_signal(self, number: int) -> None:
        """Send one, unless it has ended: whoever waits for it does so at once."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait until it is dead."""
        self.send_signal(signal.SIGKILL)
        self.wait()

    def _has_ended(self, within_s: float | None) -> bool:
        """The code was read, or is in the pipe, or the pipe has been closed behind it."""
        if self._code is not None:
            return True
        pipe = select.poll()
        pipe.register(self._told, select.POLLIN)
        return bool(pipe.poll(None if within_s is None else within_s * 1000))

    def _hear(self) -> int:
        number = os.read(self._told, NUMBER.size)
        assert number, "the process that forks has ended"
        return int(NUMBER.unpack(number)[0])


class Forker:
    """The process that forks.

    Args:
        parts: what it imports before.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._guard = threading.Lock()
        self._orders, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forking.py")), str(theirs.fileno()), *parts],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for the tests, which end what they have started
        )
        theirs.close()

    def start(
        self,
        module: str,
        *arguments: object,
        environment: Mapping[str, str],
        folder: Path = ROOT,
        stdin: File | None = None,
        stdout: File | Path,
        stderr: File | None = None,
        session: bool = False,
        safe: bool = False,
    ) -> Forked:
        """Start a process.

        Args:
            module: as `python -m` takes it.
            arguments: what stands behind it.
            environment: all of it.
            folder: where it runs, and the first place that it imports from.
            stdin: None: nothing.
            stdout: a file that is open, or one to write on at its end.
            stderr: None: the same as stdout.
            session: it leads a session and a process group of its own.
            safe: it imports nothing from the folder it runs in (`python -P`).
        """
        order = {
            "module": module,
            "arguments": [str(each) for each in arguments],
            "environment": dict(environment),
            "folder": str(folder),
            "session": session,
            "safe": safe,
        }
        told, tells = os.pipe()
        with ExitStack() as opened:
            out = opened.enter_context(stdout.open("ab")) if isinstance(stdout, Path) else stdout
            nothing = opened.enter_context(Path(os.devnull).open("rb"))
            files = (nothing if stdin is None else stdin, out, out if stderr is None else stderr)
            self._ask(order, tells, *(each if isinstance(each, int) else each.fileno() for each in files))
        os.close(tells)
        return Forked(told)

    def close(self) -> None:
        """End it, and all of its processes that still run."""
        self._orders.close()
        self._process.wait()

    def _ask(self, order: object, *files: int) -> None:
        """Give an order; threads give theirs one after another."""
        text = json.dumps(order).encode()
        with self._guard:
            socket.send_fds(self._orders, [NUMBER.pack(len(text))], files)
            self._orders.sendall(text)


_GUARD = threading.Lock()


@cache
def _forker() -> Forker:
    made = Forker(PARTS)
    atexit.register(made.close)
    return made


def start(module: str, *arguments: object, **how: Any) -> Forked:
    """Start a process, as `Forker.start` does, forked from the one that all of this process are."""
    with _GUARD:
        forker = _forker()
    return forker.start(module, *arguments, **how)


def run(
    module: str, *arguments: str, environment: Mapping[str, str], folder: Path = ROOT, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Start one that is handed what is typed, and wait for its end; as `subprocess.run` with `capture_output`."""
    with ExitStack() as opened:
        files = [opened.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3)]
        files[0].write(typed)
        files[0].seek(0)
        streams = dict(zip(("stdin", "stdout", "stderr"), files, strict=True))
        code = start(module, *arguments, environment=environment, folder=folder, **streams).wait()
        for file in files:
            file.seek(0)
        return subprocess.CompletedProcess([module, *arguments], code, files[1].read(), files[2].read())
