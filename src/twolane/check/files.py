"""Which files there are to read: no links in a loop, no virtual environments, nothing that is huge."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HUGE_BYTES = 4_000_000
"""A larger file is generated: it is named, and not read."""

_SKIPPED = frozenset(
    [
        "__pycache__",
        "node_modules",
        "site-packages",
        "dist-packages",
        "__pypackages__",
        "venv",
        "env",
        "virtualenv",
        "build",
        "dist",
        "_vendor",
        "vendor",
        "vendored",
        "third_party",
    ]
)
_TEST = re.compile(r"(^|/)(tests?|testing)/|(^|/)test_[^/]*$|(^|/)conftest\.py$|_test\.py$|(^|/)tests\.py$")


@dataclass(frozen=True, slots=True)
class Note:
    """Something that could not be read, in one line.

    Attributes:
        path: relative to the root.
        line: where, from 1.
        sentence: what, and what becomes of it.
        unread: a Python file was left out, so that nothing can be said about it.
    """

    path: str
    line: int
    sentence: str
    unread: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A Python file of the tree: its path, and that path relative to the root, with slashes."""

    path: Path
    rel: str


def walk(root: Path, exclude: Sequence[str] = (), notes: list[Note] | None = None) -> Iterator[Found]:
    """The Python files below a root, in order of their names.

    Args:
        root: a folder, or one file.
        exclude: patterns such as `migrations/*`, matched with the path relative to the root.
        notes: where what is left out is said.
    """
    if root.is_file():
        yield Found(root, root.name)
        return
    said = notes if notes is not None else []
    yield from _folder(root, "", tuple(exclude), frozenset([_identity(root)]), said)


def is_test(rel: str) -> bool:
    """Whether a path is one of tests: they start work in-process on purpose."""
    return _TEST.search(rel) is not None


def _folder(
    folder: Path, rel: str, exclude: tuple[str, ...], above: frozenset[tuple[int, int]], notes: list[Note]
) -> Iterator[Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        notes.append(Note(rel or ".", 1, f"this folder cannot be read: {error.strerror}"))
        return
    for entry in entries:
        below = f"{rel}/{entry.name}" if rel else entry.name
        if any(fnmatch.fnmatch(below, each) or fnmatch.fnmatch(entry.name, each) for each in exclude):
            continue
        try:
            if entry.is_dir():
                yield from _below(entry, below, exclude, above, notes)
            elif entry.name.endswith(".py") and _is_read(entry, below, notes):
                yield Found(Path(entry.path), below)
        except OSError as error:
            if entry.is_symlink():
                notes.append(Note(below, 1, "this link leads nowhere", unread=False))
            else:
                notes.append(Note(below, 1, f"this file cannot be read: {error.strerror}"))


def _below(
    entry: os.DirEntry[str],
    rel: str,
    exclude: tuple[str, ...],
    above: frozenset[tuple[int, int]],
    notes: list[Note],
) -> Iterator[Found]:
    folder = Path(entry.path)
    if entry.name.startswith(".") or entry.name in _SKIPPED or (folder / "pyvenv.cfg").exists():
        return
    me = _identity(folder)
    if me in above:
        notes.append(Note(rel, 1, "this link leads to a folder above it and is not followed", unread=False))
        return
    yield from _folder(folder, rel, exclude, above | {me}, notes)


def _is_read(entry: os.DirEntry[str], rel: str, notes: list[Note]) -> bool:
    if not entry.is_file():
        if entry.is_symlink():
            notes.append(Note(rel, 1, "this link leads nowhere", unread=False))
        return False
    size = entry.stat().st_size
    if size > HUGE_BYTES:
        notes.append(
            Note(rel, 1, f"this file has {size:,} bytes, more than {HUGE_BYTES:,}, and is not checked")
        )
        return False
    return True


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
