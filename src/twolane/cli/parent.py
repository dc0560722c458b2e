"""The parent of a worker process: starts it, tells it to stop, starts another when it dies.

It imports no code of the app and as little as it can of anything else, since it lives as long as the
worker. One loop over events: signals and what a thread sees of the child. Run as
`python -m twolane.cli.parent ORDERS`.

Between parent and child there is one socket. Child to parent: a byte when it is ready. Parent to child:
at each signal a byte, how many there were so far; the child compares it with the signals that reached
itself, so that a Ctrl-C of a terminal or a stop of systemd, which reach both, count once. And its end
tells the child that the parent is gone.
"""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from queue import Empty, SimpleQueue

from twolane.cli import exits
from twolane.cli.logs import log_to_stderr

log = logging.getLogger("twolane.parent")

FIRST_PAUSE_S = 0.1
MAX_PAUSE_S = 30.0
"""The longest pause before a worker process that died is started again."""
STEADY_S = 60.0
"""A worker process that lived so long was no part of a crash loop: the pauses begin anew."""
DRAIN, HURRY, KILL = 1, 2, 3
"""What the first, second and third signal ask for."""
_TOLD = {DRAIN: "drains", HURRY: "waits no longer", KILL: "is killed"}

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Event = str | int
"""`stop`, `ready`, or a child's exit status: as of subprocess, negative for the signal that killed it."""


def next_pause_s(last_s: float, lived_s: float) -> float:
    """How long to wait before a worker process that died is started again.

    Args:
        last_s: the last such pause; 0: there was none.
        lived_s: how long the process lived.
    """
    if lived_s >= STEADY_S or not last_s:
        return FIRST_PAUSE_S
    return min(2 * last_s, MAX_PAUSE_S)


class Child:
    """One worker process and the socket to it.

    Args:
        orders: passed on unread.
        events: where `ready` and its exit status go.

    Raises:
        OSError: the system has no room for another process.
    """

    def __init__(self, orders: str, events: SimpleQueue[Event]) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", "twolane.cli.worker_child", orders, str(theirs.fileno())]
            try:
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: S603
            except OSError:
                self._socket.close()
                raise
        self.pid = self._process.pid
        self.started_at = time.monotonic()
        self.ready = False
        self._events = events
        threading.Thread(target=self._watch, name="twolane-child", daemon=True).start()

    def stop(self, signals: int) -> None:
        """Tell it how many signals there were; one that is not ready yet has nothing to drain."""
        if signals >= KILL:
            self._process.kill()
        elif not self.ready:
            self._process.terminate()
        else:
            try:
                self._socket.send(bytes([signals]))
            except OSError:
                log.debug("worker process %d is gone already", self.pid)

    def _watch(self) -> None:
        if self._socket.recv(1):
            self._events.put("ready")
        status = self._process.wait()
        self._socket.close()
        self._events.put(status)


class Parent:
    """Keeps one worker process running until it is told to stop.

    Args:
        orders: what the worker is told; passed on.
    """

    def __init__(self, orders: str) -> None:
        self._orders = orders
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._signals = 0
        self._has_been_ready = False
        self._pause_s = 0.0

    def run(self) -> int:
        """Run until a signal or a failed start; answers the exit code."""
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and `&` of a script mean it
                signal.signal(number, lambda _number, _frame: self._events.put("stop"))
        code = None
        while code is None:
            code = self._run_one()
        return code

    def _run_one(self) -> int | None:
        """Run one worker process to its end and wait for the time of the next; the exit code if there is none."""
        try:
            child = Child(self._orders, self._events)
        except OSError as error:
            return self._pause(f"a worker process cannot be started: {error}", 0.0)
        status = self._attend(child)
        if self._signals or not self._has_been_ready:
            return self._last_word(child, status)
        if status == exits.REPLACE:
            log.warning("worker process %d asks to be replaced; another is started at once", child.pid)
            return None
        what = f"worker process {child.pid} {ended(status)}; what it ran is visible again"
        return self._pause(what, time.monotonic() - child.started_at)

    def _attend(self, child: Child) -> int:
        """Live with a child until it ends."""
        while True:
            match self._events.get():
                case "stop":
                    self._signals += 1
                    log.info("told to stop: worker process %d %s", child.pid, _TOLD[min(self._signals, KILL)])
                    child.stop(self._signals)
                case "ready":
                    self._has_been_ready = child.ready = True
                    took_s = time.monotonic() - child.started_at
                    log.info("worker process %d is ready after %.2f s", child.pid, took_s)
                case int(status):
                    return status
                case _:
                    continue

    def _last_word(self, child: Child, status: int) -> int:
        """The exit code after a child that is not started again."""
        if status > 0 and status != exits.REPLACE:
            return status  # it has said why itself
        if not self._has_been_ready and not self._signals:
            log.error("worker process %d %s before it was ready: not started again", child.pid, ended(status))
            return exits.APP
        if status < 0 and child.ready:
            log.error(
                "worker process %d %s before it had given everything back; what it ran is run again by the "
                "next worker", child.pid, ended(status),
            )  # fmt: skip
            return exits.NOT_DRAINED
        return exits.OK

    def _pause(self, what: str, lived_s: float) -> int | None:
        """Say what happened and wait before the next start; the exit code if told to stop meanwhile."""
        self._pause_s = next_pause_s(self._pause_s, lived_s)
        log.error("%s; another is started in %g s", what, self._pause_s)
        try:
            self._events.get(timeout=self._pause_s)
        except Empty:
            return None
        return exits.OK


def ended(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"ended with exit code {status} although nobody had asked it to"
    name = signal.Signals(-status).name
    if -status == signal.SIGKILL:
        name += " (by a person, or by the system for want of memory)"
    return f"was killed by {name}"


def main() -> None:
    """Run a parent; the process's arguments are its orders."""
    orders = sys.argv[1]
    log_to_stderr(as_json=json.loads(orders).get("as_json", False))  # all that it reads of them
    sys.exit(Parent(orders).run())


if __name__ == "__main__":
    main()
