"""Gates that tasks in other processes wait at: named pipes, so that an open gate is an event where it is waited for.

    with closing(Gate(folder / "gate")) as gate:   # here
        gate.open()

    pass_gate(folder / "gate")                     # in a task of another process, or `await pass_gate_async(...)`

Whichever comes first makes the pipe. An open gate lets through whoever waits and whoever comes, until it is closed or the
process that opened it ends.
"""

from __future__ import annotations

import asyncio
import os
import select
from contextlib import suppress
from pathlib import Path


class Gate:
    """A gate, shut at first.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self._pipe = _pipe(path)

    def open(self) -> None:
        """Let through whoever waits and whoever comes: they look at the word, and nobody takes it."""
        os.write(self._pipe, b"open")

    def close(self) -> None:
        os.close(self._pipe)


def pass_gate(path: Path) -> None:
    """Hold this thread until the gate is open."""
    pipe = _pipe(path)
    try:
        await_word(pipe)
    finally:
        os.close(pipe)


async def pass_gate_async(path: Path) -> None:
    """Wait until the gate is open; the loop goes on."""
    pipe = _pipe(path)
    try:
        await await_word_async(pipe)
    finally:
        os.close(pipe)


def await_word(pipe: int) -> None:
    """Hold this thread until there is something to read, and leave it there."""
    select.select([pipe], [], [])


async def await_word_async(pipe: int) -> None:
    """Wait until there is something to read, and leave it there."""
    word, loop, own = (
        asyncio.Event(),
        asyncio.get_running_loop(),
        os.dup(pipe),
    )  # a loop hears a descriptor once
    loop.add_reader(own, word.set)
    try:
        await word.wait()
    finally:
        loop.remove_reader(own)
        os.close(own)


def _pipe(path: Path) -> int:
    with suppress(FileExistsError):
        os.mkfifo(path)
    return os.open(path, os.O_RDWR)  # without waiting for the other side, and never at its end
