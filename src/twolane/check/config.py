"""`[tool.twolane.check]` in pyproject.toml: what is left out."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twolane.check.rules import is_code
from twolane.values.errors import SettingsError

_PATH = ("tool", "twolane", "check")
_KEYS = ("exclude", "ignore", "per-file-ignores", "baseline")


@dataclass(frozen=True, slots=True)
class Config:
    """What is left out.

    Attributes:
        exclude: patterns of paths that are not read.
        ignore: codes, or beginnings of codes, that do not count.
        per_file_ignores: the same by pattern of paths.
        baseline: the file of old findings, relative to `folder`; None: there is none.
        folder: where the pyproject.toml lies.
    """

    exclude: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    baseline: str | None = None
    folder: Path | None = None

    def ignores(self, code: str, path: str) -> bool:
        """Whether a code does not count in a file."""
        if code.startswith(self.ignore) if self.ignore else False:
            return True
        return any(
            fnmatch.fnmatch(path, pattern) and code.startswith(codes)
            for pattern, codes in self.per_file_ignores.items()
        )


def find_config(start: Path) -> Config:
    """The settings of the nearest pyproject.toml that has some, from a path upwards.

    Raises:
        SettingsError: a pyproject.toml that cannot be read, a key that does not exist, a value of a wrong type.
    """
    at = start.resolve()
    for folder in (at, *at.parents) if at.is_dir() else at.parents:
        file = folder / "pyproject.toml"
        if file.is_file():
            table = _table(file)
            if table is not None:
                return _read(table, file)
    return Config()


def _table(file: Path) -> dict[str, Any] | None:
    try:
        found: Any = tomllib.loads(file.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from None
    for depth, key in enumerate(_PATH):
        if not isinstance(found, dict):
            raise SettingsError(f"{'.'.join(_PATH[:depth])} of {file} is a table, not {found!r}")
        if key not in found:
            return None
        found = found[key]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(found, dict):
        raise SettingsError(f"{'.'.join(_PATH)} of {file} is a table, not {found!r}")
    return found  # pyright: ignore[reportUnknownVariableType]


def _read(table: dict[str, Any], file: Path) -> Config:
    if unknown := sorted(set(table) - set(_KEYS)):
        raise SettingsError(
            f"[tool.twolane.check] of {file} has no {', '.join(unknown)}; there are {', '.join(_KEYS)}"
        )
    per_file = table.get("per-file-ignores", {})
    baseline = table.get("baseline")
    if not isinstance(per_file, dict) or not isinstance(baseline, (str, type(None))):
        raise SettingsError(
            f"[tool.twolane.check] of {file}: per-file-ignores is a table, and baseline is the path of a file"
        )
    return Config(
        exclude=_strings(table.get("exclude", []), "exclude", file),
        ignore=_codes(table.get("ignore", []), "ignore", file),
        per_file_ignores={
            str(pattern): _codes(codes, f"per-file-ignores.{pattern}", file)  # pyright: ignore[reportUnknownArgumentType]
            for pattern, codes in per_file.items()  # pyright: ignore[reportUnknownVariableType]
        },
        baseline=baseline,
        folder=file.parent,
    )


def _codes(value: Any, name: str, file: Path) -> tuple[str, ...]:
    codes = _strings(value, name, file)
    if unknown := [code for code in codes if not is_code(code)]:
        raise SettingsError(
            f"[tool.twolane.check] of {file}: {name} has {', '.join(map(repr, unknown))}, and no rule's code begins so"
        )
    return codes


def _strings(value: Any, name: str, file: Path) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):  # pyright: ignore[reportUnknownVariableType]
        return tuple(str(each) for each in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise SettingsError(f"[tool.twolane.check] of {file}: {name} is a list of strings, not {value!r}")
