"""What a forked process (forking.py) makes of `python -m MODULE`: a fork as well, where an interpreter would start.

    subprocess.Popen([sys.executable, "-P", "-m", "uvicorn", ...])     a child of this process, forked
    os.execv(sys.executable, [sys.executable, "-m", ...])              this process, without what it has loaded itself

All else of a start is as it is: the child's parent, group, session, folder, environment and files.
"""

from __future__ import annotations

import inspect
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

Become = Callable[["Run"], NoReturn]
LAST_FD = 1024
"""Files above it are none that a test has opened."""


class Run(NamedTuple):
    """`python -m module arguments`; safe: the folder is no place to import from (-P)."""

    module: str
    arguments: list[str]
    safe: bool


class Beginning:
    """Modules, places and loggers as they are now: a process that starts another may have changed them since."""

    def __init__(self) -> None:
        self._modules = dict(sys.modules)
        self._path = list(sys.path)
        self._loggers = {name: (each.level, [*each.handlers]) for name, each in _loggers()}

    def come_back(self) -> None:
        """Forget what has changed."""
        for name in sys.modules.keys() - self._modules.keys():
            del sys.modules[name]
        sys.modules.update(self._modules)
        sys.path[:] = self._path
        for name, each in _loggers():
            level, handlers = self._loggers.get(name, (logging.NOTSET, []))
            each.setLevel(level)
            each.handlers = [*handlers]


def _loggers() -> list[tuple[str, logging.Logger]]:
    found = {"": logging.root, **logging.root.manager.loggerDict}
    return [(name, each) for name, each in found.items() if isinstance(each, logging.Logger)]


def run_of(command: object) -> Run | None:
    """What a command runs; None: it is not of this form."""
    match command:
        case [sys.executable, "-P", "-m", str(module), *rest]:
            return Run(module, [str(each) for each in rest], safe=True)
        case [sys.executable, "-m", str(module), *rest]:
            return Run(module, [str(each) for each in rest], safe=False)
        case _:
            return None


def fork_what_is_started(become: Become) -> None:
    """From now on; `become` is called in a child, and never comes back."""
    execute, execv = subprocess.Popen._execute_child, os.execv  # type: ignore[attr-defined]
    takes = inspect.signature(execute)

    def start(self: Any, *args: Any, **kwargs: Any) -> None:
        told = takes.bind(self, *args, **kwargs).arguments
        run = run_of(told["args"])
        if run is None or told["preexec_fn"] or told["shell"] or told["executable"]:
            execute(self, *args, **kwargs)
            return
        sys.stdout.flush()
        sys.stderr.flush()
        if not (pid := os.fork()):
            _take_over(told)
            become(run)
        self.pid, self._child_created = pid, True
        self._close_pipe_fds(*(told[each] for each in _PIPES))

    def replace(path: str, command: Sequence[str]) -> NoReturn:
        run = run_of(list(command))
        if run is None or path != sys.executable:
            execv(path, command)
        assert threading.active_count() == 1, "the system would end the other threads"
        _close([each for each in range(3, LAST_FD) if _is_open(each) and os.get_inheritable(each)])
        forget_signals()
        become(run)

    subprocess.Popen._execute_child = start  # type: ignore[attr-defined]
    os.execv = replace


_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


def _take_over(told: dict[str, Any]) -> None:
    """As the system does between a fork and the start of a program."""
    ours = [os.dup(given if given != -1 else number) for number, given in enumerate(_streams(told))]
    for number, each in enumerate(ours):
        os.dup2(each, number)
    if told["close_fds"]:
        _close(told["pass_fds"])
    for each in told["pass_fds"]:
        os.set_inheritable(each, True)
    if told["cwd"] is not None:
        os.chdir(told["cwd"])
    if told["start_new_session"]:
        os.setsid()
    if told["env"] is not None:
        os.environ.clear()
        os.environ.update(told["env"])
    forget_signals()


def _close(kept: Iterable[int]) -> None:
    """All files but the standard streams and those to keep."""
    low = 3
    for each in sorted(kept):
        os.closerange(low, each)
        low = each + 1
    os.closerange(low, LAST_FD)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _streams(told: dict[str, Any]) -> tuple[int, int, int]:
    return told["p2cread"], told["c2pwrite"], told["errwrite"]


def forget_signals() -> None:
    """As a program begins: what is ignored stays ignored, all else has its default."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        with suppress(OSError, ValueError):  # some are not ours to set
            if signal.getsignal(number) not in (signal.SIG_IGN, signal.SIG_DFL):
                signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # Python's own two
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
