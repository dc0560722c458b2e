"""Waking the workers of other processes at once: a datagram to a local socket that each binds.

The sockets lie beside the lock files of the workers, or, where that path is too long for a socket, in a
private folder below the temporary one. No socket is no error: a worker also polls slowly.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import socket
import stat
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from twolane.backends.sqlite.forking import abandon_after_fork
from twolane.backends.sqlite.liveness import workers_folder

_SUFFIX = ".sock"
_MAX_PATH_BYTES = 100  # sockaddr_un holds 104 bytes on macOS, 108 on Linux
_NAME_BYTES = 1 + 16 + len(_SUFFIX)
_logger = logging.getLogger("twolane.sqlite")


def sockets_folder(database: Path) -> Path:
    """Where the sockets of a database's workers lie."""
    folder = workers_folder(database)
    if len(os.fsencode(folder)) + _NAME_BYTES < _MAX_PATH_BYTES:
        return folder
    name = hashlib.sha256(os.fsencode(database)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"twolane-{os.getuid()}-{name}"


class Notifier:
    """Sends the datagrams. Used by one thread at a time.

    Args:
        database: the database's path.
    """

    def __init__(self, database: Path) -> None:
        self._folder = sockets_folder(database)
        self._socket: socket.socket | None = None
        abandon_after_fork(self)

    def notify(self, own: str | None = None) -> None:
        """Wake every listener except the one with the name `own`."""
        for name in self._names():
            if name != own:
                self._send(self._folder / name)

    def sweep(self) -> None:
        """Remove the sockets that dead listeners left."""
        for path in map(self._folder.joinpath, self._names()):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    with suppress(OSError):
                        path.unlink()
                except OSError:
                    continue

    def close(self) -> None:
        """Release the sending socket; the next use makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    abandon = close

    def _names(self) -> list[str]:
        try:
            names = os.listdir(self._folder)  # noqa: PTH208  (before each answer: a Path for each takes longer)
            return [name for name in names if name.endswith(_SUFFIX)]
        except OSError:
            return []

    def _send(self, path: Path) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        with suppress(OSError):  # its buffer is full: it will wake anyway; it is gone: a reaper sweeps
            self._socket.sendto(b"v", str(path))


class Listener:
    """Binds a socket and calls `on_wake` from a thread of its own for each datagram.

    Args:
        database: the database's path.
        on_wake: must return at once.

    Raises:
        OSError: no socket can be bound here.
    """

    def __init__(self, database: Path, on_wake: Callable[[], None]) -> None:
        folder = sockets_folder(database)
        _make_private(folder)
        self.name = secrets.token_hex(8) + _SUFFIX
        self._path = folder / self.name
        self._on_wake = on_wake
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.bind(str(self._path))
        except OSError:
            self._socket.close()
            raise
        self._ending = False
        self._thread = threading.Thread(target=self._listen, name="twolane-wake", daemon=True)
        abandon_after_fork(self)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; twice is harmless."""
        if self._ending:
            return
        self._ending = True
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self._path))
        self._path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """In a forked child: close the inherited socket, so that a dead parent is seen to be gone."""
        self._ending = True
        self._socket.close()

    def _listen(self) -> None:
        with self._socket:
            while True:
                self._socket.recv(16)
                if self._ending:
                    return
                self._on_wake()


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} must be a folder of user {os.getuid()} that nobody else may enter")
