"""How long the servers of a tree let work go on, read as text: uvicorn, gunicorn, systemd, docker, Lambda, API Gateway."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_NAMES = re.compile(
    r"^(Procfile.*|(.*\.)?Dockerfile.*|(docker-)?compose.*\.ya?ml|template.*\.(ya?ml|json)|serverless.*\.ya?ml|"
    r"sam.*\.ya?ml|gunicorn.*\.py|.*_conf\.py|.*\.service|.*\.sh|Makefile|pyproject\.toml|\.env.*|.*\.tf|"
    r".*stack.*\.ts|supervisord?.*\.conf)$",
    re.IGNORECASE,
)
_FAR = r"[\s=\"',\\-]+"
"""What may stand between an option and its value: on one line, in a list of arguments, in a list of YAML."""
_SPAN = r"['\"]?((?:\d+(?:\.\d+)?[ ]?(?:min|ms|h|m|s)?[ ]?)+)\b"
_DURATION = r"Duration\.((?:seconds|minutes)\(\s*\d+)"


@dataclass(frozen=True, slots=True)
class _Setting:
    """A setting: how it is written, where, and what it means.

    Attributes:
        pattern: finds the value as its first group.
        sentence: what it means, with a place for seconds.
        files: names of files that have it; others are not looked at.
        beside: what the file must have as well.
        unit_s: seconds in one of its numbers.
    """

    pattern: re.Pattern[str]
    sentence: str
    files: str = ""
    beside: str = ""
    unit_s: float = 1


def _setting(pattern: str, sentence: str, files: str = "", beside: str = "", unit_s: float = 1) -> _Setting:
    return _Setting(re.compile(pattern, re.MULTILINE), sentence, files, beside, unit_s)


_UVICORN = "uvicorn waits {} s at a shutdown"
_STOPS = "gunicorn waits {} s at a shutdown"
_SILENT = "gunicorn ends a worker that is silent for {} s"
_LAMBDA = "the Lambda function ends after {} s"
_GATEWAY = "API Gateway ends the request after {} s"
_SETTINGS = (
    _setting(rf"--timeout-graceful-shutdown{_FAR}(\d+)", _UVICORN),
    _setting(r"\btimeout_graceful_shutdown\s*=\s*(\d+)", _UVICORN),
    _setting(rf"\bUVICORN_TIMEOUT_GRACEFUL_SHUTDOWN{_FAR}:?\s*['\"]?(\d+)", _UVICORN),
    _setting(rf"--graceful-timeout{_FAR}(\d+)", _STOPS),
    _setting(r"^\s*graceful_timeout\s*=\s*(\d+)", _STOPS),
    _setting(rf"(?<![\w-])--timeout{_FAR}(\d+)", _SILENT, beside=r"\bgunicorn\b|GUNICORN"),
    _setting(r"\bgunicorn\b[^\n]*?\s-t[ =]*(\d+)", _SILENT),
    _setting(r"^\s*timeout\s*=\s*(\d+)", _SILENT, files=r"gunicorn|_conf\.py$"),
    _setting(r"^\s*\"?Timeout\"?:\s*(\d+)", _LAMBDA, beside=r"AWS::(?:Serverless|Lambda)::Function"),
    _setting(r"^\s*timeout:\s*(\d+)\s*(?:#.*)?$", _LAMBDA, files="serverless", beside=r"(?m)^functions:"),
    _setting(r"^\s*timeout\s*=\s*(\d+)", _LAMBDA, files=r"\.tf$", beside="aws_lambda_function"),
    _setting(rf"\btimeout\s*[=:]\s*(?:\w+\.)?{_DURATION}", _LAMBDA, beside=r"aws[_-]cdk"),
    _setting(r"^\s*\"?[tT]imeoutInMillis\"?:\s*(\d+)", _GATEWAY, unit_s=0.001),
    _setting(r"^\s*timeout_milliseconds\s*=\s*(\d+)", _GATEWAY, files=r"\.tf$", unit_s=0.001),
    _setting(rf"^\s*TimeoutStopSec\s*=\s*{_SPAN}", "systemd kills the server {} s after it asked it to stop"),
    _setting(
        rf"^\s*stop_grace_period:\s*{_SPAN}", "docker kills the container {} s after it asked it to stop"
    ),
    _setting(r"^\s*stopwaitsecs\s*=\s*(\d+)", "supervisor kills the server {} s after it asked it to stop"),
)
_PART = re.compile(r"(\d+(?:\.\d+)?)[ ]?(min|ms|h|m|s)?")
_UNITS_S = {"ms": 0.001, "s": 1, "": 1, "m": 60, "min": 60, "h": 3600}
_IN_CODE = ("aws_cdk", "timeout_graceful_shutdown")
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
    seconds: float
    sentence: str


def limits(root: Path, code: Iterable[tuple[str, str]] = ()) -> list[Limit]:
    """The settings below a root, the shortest first.

    Args:
        root: the folder.
        code: the Python of the tree, as path and text: servers are also set up in it.
    """
    if root.is_file():
        return []
    found = [limit for file, rel in _files(root, "", 0) for limit in _of(_text(file), rel)]
    found += [
        limit for rel, text in code if any(each in text for each in _IN_CODE) for limit in _of(text, rel)
    ]
    return sorted(set(found), key=lambda limit: (limit.seconds, limit.path, limit.line))


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


def _text(file: Path) -> str:
    try:
        return "" if file.stat().st_size > _LARGEST_BYTES else file.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _of(text: str, rel: str) -> Iterator[Limit]:
    for each in _SETTINGS:
        if (each.files and not re.search(each.files, rel)) or (
            each.beside and not re.search(each.beside, text)
        ):
            continue
        for match in each.pattern.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            if text[text.rfind("\n", 0, match.start(1)) + 1 :].lstrip().startswith(("#", "//")):
                continue
            seconds = _seconds(match[1]) * each.unit_s
            yield Limit(rel, line, seconds, each.sentence.format(f"{seconds:g}"))


def _seconds(written: str) -> float:
    """`90`, `1min 30s`, `1m30s` and `minutes(5` in seconds."""
    if "(" in written:
        unit, _, number = written.partition("(")
        return float(number) * (60 if unit == "minutes" else 1)
    return sum(float(number) * _UNITS_S[unit or ""] for number, unit in _PART.findall(written))
