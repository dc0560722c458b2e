"""How long the servers of a tree let work go on: settings of uvicorn, gunicorn, Lambda and API Gateway, read as text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NAMES = re.compile(
    r"^(Procfile|Dockerfile.*|.*\.dockerfile|docker-compose.*\.ya?ml|compose.*\.ya?ml|template\.ya?ml|serverless\.ya?ml|"
    r"sam.*\.ya?ml|gunicorn.*\.py|.*_conf\.py|.*\.service|.*\.sh|Makefile|pyproject\.toml|.*\.tf|supervisord?.*\.conf)$",
    re.IGNORECASE,
)
_SETTINGS = (
    (re.compile(r"--timeout-graceful-shutdown[ =\"',]+(\d+)"), "uvicorn waits {} s at a shutdown"),
    (re.compile(r"timeout_graceful_shutdown\s*=\s*(\d+)"), "uvicorn waits {} s at a shutdown"),
    (
        re.compile(r"gunicorn\b.*?(?:--timeout|-t)[ =\"',]+(\d+)"),
        "gunicorn ends a worker that is silent for {} s",
    ),
    (re.compile(r"--graceful-timeout[ =\"',]+(\d+)"), "gunicorn waits {} s at a shutdown"),
    (re.compile(r"^\s*graceful_timeout\s*=\s*(\d+)"), "gunicorn waits {} s at a shutdown"),
    (re.compile(r"^\s*timeout\s*=\s*(\d+)"), "the server's time-out is {} s"),
    (re.compile(r"^\s*Timeout:\s*(\d+)"), "the Lambda function ends after {} s"),
    (
        re.compile(r"^\s*(?:timeoutInMillis|TimeoutInMillis):\s*(\d+)\d{3}"),
        "API Gateway ends the request after {} s",
    ),
    (re.compile(r"^\s*timeout:\s*(\d+)\s*(?:#.*)?$"), "the Lambda function ends after {} s"),
    (re.compile(r"TimeoutStopSec\s*=\s*(\d+)"), "systemd kills the server {} s after it asked it to stop"),
    (re.compile(r"stop_grace_period:\s*(\d+)s"), "docker kills the container {} s after it asked it to stop"),
)
_ONLY_HERE = {
    r"^\s*timeout\s*=\s*(\d+)": re.compile(r"gunicorn|_conf\.py$"),
    r"^\s*timeout:\s*(\d+)\s*(?:#.*)?$": re.compile(r"serverless"),
}
_LARGEST_BYTES = 200_000
_DEEPEST = 4
_SKIPPED = frozenset(["node_modules", "site-packages", "venv", "__pycache__"])


@dataclass(frozen=True, slots=True)
class Limit:
    """A setting that ends work.

    Attributes:
        path: the file, relative to the root.
        line: from 1.
        seconds: how long it lets go on.
        sentence: what it means.
    """

    path: str
    line: int
    seconds: int
    sentence: str


def limits(root: Path) -> list[Limit]:
    """The settings below a root, the shortest first."""
    if root.is_file():
        return []
    found = [limit for file, rel in _files(root, "", 0) for limit in _of(file, rel)]
    return sorted(found, key=lambda limit: limit.seconds)


def _files(folder: Path, rel: str, depth: int) -> Iterator[tuple[Path, str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        below = f"{rel}/{entry.name}" if rel else entry.name
        if entry.is_dir(follow_symlinks=False):
            if depth < _DEEPEST and not entry.name.startswith(".") and entry.name not in _SKIPPED:
                yield from _files(Path(entry.path), below, depth + 1)
        elif _NAMES.match(entry.name) and entry.is_file(follow_symlinks=False):
            yield Path(entry.path), below


def _of(file: Path, rel: str) -> Iterator[Limit]:
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            return
        text = file.read_text("utf-8", errors="replace")
    except OSError:
        return
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, sentence in _SETTINGS:
            where = _ONLY_HERE.get(pattern.pattern)
            if where is not None and not where.search(rel):
                continue
            match = pattern.search(line)
            if match:
                yield Limit(rel, number, int(match[1]), sentence.format(match[1]))
                break
