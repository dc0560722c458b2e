"""The process that forks (forks.py): `python forking.py DESCRIPTOR MODULE...`.

It imports the modules, of `package.*` all, and takes orders through the socket of that descriptor. An order is the size
of a JSON object, with four open files; then the object. The files are the pipe through which the process is told of, and
its standard streams.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from offspring import Beginning, Run, fork_what_is_started

NUMBER = struct.Struct("!i")
SETTINGS = ("TWOLANE_", "AWS_", "FLIGHTS_")


def main() -> None:
    """Take orders until nobody gives any; a fork goes on as what it was ordered to be."""
    _import_watched(sys.argv[2:])
    del sys.path[: 1 + len(_places(os.environ))]  # the folder of this file, and others that are ours alone
    orders = socket.socket(fileno=int(sys.argv[1]))
    ended, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.collect()
    gc.freeze()  # what is here stays here: no collection of a fork's looks at it, and copies it
    _serve(orders, ended, Beginning())


def _serve(orders: socket.socket, ended: int, beginning: Beginning) -> None:
    running: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([orders, ended], [], [])
        if ended in readable:
            os.read(ended, 1000)
            _tell_of_ends(running)
        if orders not in readable:
            continue
        size, files, _, _ = socket.recv_fds(orders, NUMBER.size, 4)
        if not size:
            break
        order = json.loads(_read(orders, *NUMBER.unpack(size)))
        tells, *streams = files
        if (pid := os.fork()) == 0:
            orders.close()
            if order["session"]:
                os.setsid()
            _tell(tells, os.getpid())  # not before: whoever knows it may signal the group
            for each in (ended, tells, *running.values()):
                os.close(each)
            _become(order, streams, beginning)
        for each in streams:
            os.close(each)
        running[pid] = tells
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    _tell_of_ends(running, how=0)


def _import_watched(names: Sequence[str]) -> None:
    asked: set[str] = set()
    encode = os.environ.encodekey
    os.environ.encodekey = lambda name: asked.add(name) or encode(name)  # type: ignore[method-assign]
    _import(names)
    os.environ.encodekey = encode  # type: ignore[method-assign]
    if settings := sorted(name for name in asked if name.startswith(SETTINGS)):
        sys.exit(f"{', '.join(settings)} was read as modules were imported: no fork would have its own")


def _import(names: Sequence[str]) -> None:
    """What is not installed here is imported by nobody: the oldest FastAPI has an environment of its own."""
    for name in names:
        package = name.removesuffix(".*")
        with suppress(ImportError):
            importlib.import_module(package)
        if package != name:
            _import([each for each in _modules_of(package) if not each.endswith(".__main__")])


def _modules_of(package: str) -> list[str]:
    return [each.name for each in pkgutil.walk_packages(sys.modules[package].__path__, f"{package}.")]


def _read(orders: socket.socket, size: int) -> bytes:
    text = b""
    while len(text) < size:
        text += orders.recv(size - len(text))
    return text


def _tell_of_ends(running: dict[int, int], how: int = os.WNOHANG) -> None:
    for pid in list(running):
        ended, status = os.waitpid(pid, how)
        if ended:
            tells = running.pop(pid)
            _tell(tells, os.waitstatus_to_exitcode(status))
            os.close(tells)


def _tell(tells: int, number: int) -> None:
    with suppress(BrokenPipeError):  # whoever started it does not want to know
        os.write(tells, NUMBER.pack(number))


def _become(order: dict[str, Any], streams: Sequence[int], beginning: Beginning) -> NoReturn:
    """Be a new `python -m`, from here to the end."""
    wakes = signal.set_wakeup_fd(-1)
    os.close(wakes)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, each in enumerate(streams):
        os.dup2(each, number)
        os.close(each)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    fork_what_is_started(partial(_run, beginning))
    _run(beginning, Run(order["module"], order["arguments"], safe=order["safe"]))


def _run(beginning: Beginning, run: Run) -> NoReturn:
    """Run a module as a program, to the end of the process."""
    code = 1
    try:
        beginning.come_back()
        _begin_as(run)
        runpy.run_module(run.module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = _code_of(end)
    except KeyboardInterrupt:
        traceback.print_exc()
        code = -signal.SIGINT
    except BaseException:  # noqa: BLE001  (whatever ends it, its log has it)
        traceback.print_exc()
    finally:
        _end(code)


def _begin_as(run: Run) -> None:
    """As an interpreter begins."""
    gc.freeze()  # what a process that started this one has opened is closed by nobody: the number has another file
    time.tzset()
    if not hasattr(sys.modules.get(run.module), "__path__"):
        sys.modules.pop(run.module, None)  # it is imported as __main__ alone
    sys.path[:0] = [*([] if run.safe else [str(Path.cwd())]), *_places(os.environ)]
    importlib.invalidate_caches()
    sys.argv = [run.module, *run.arguments]
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = open(0, encoding=sys.stdin.encoding, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _writer(sys.stdout, unbuffered)
    sys.stderr = sys.__stderr__ = _writer(sys.stderr, unbuffered)


def _places(environment: Mapping[str, str]) -> list[str]:
    return list(filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)))


def _writer(ours: Any, unbuffered: bool) -> io.TextIOWrapper:
    """A standard stream, as Python makes it; the process that forks has the same locale."""
    number = ours.fileno()
    return io.TextIOWrapper(
        open(number, "wb", buffering=0 if unbuffered else -1, closefd=False),
        encoding=ours.encoding,
        errors=ours.errors,
        line_buffering=not unbuffered and (number == 2 or os.isatty(number)),
        write_through=unbuffered,
    )


def _code_of(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def _end(code: int) -> None:
    """As an interpreter ends: threads that are no daemons are waited for; what was registered runs."""
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001  (as above)
        traceback.print_exc()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    os._exit(code)


if __name__ == "__main__":
    main()
