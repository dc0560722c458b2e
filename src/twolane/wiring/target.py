"""Find the app: `module:app` from the command line, the environment or `pyproject.toml`; open it as a server would."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import tomllib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twolane.values.errors import SettingsError

if TYPE_CHECKING:
    from twolane.wiring.installed import Installed


@dataclass(frozen=True, slots=True)
class Target:
    """Where the app is.

    Attributes:
        name: `module:app`.
        folder: what `module` is imported from; None: the working directory, as uvicorn does.
        source: who says so, for people.
    """

    name: str
    folder: str | None
    source: str


def find_target(given: str | None, *, folder: str | None = None, start: Path | None = None) -> Target | None:
    """`--app`, else TWOLANE_APP, else `[tool.twolane] app` in the nearest `pyproject.toml`; None: none says.

    Args:
        given: what the command line says.
        folder: what the command line says it is imported from; None: a `pyproject.toml`'s own folder, or
            the working directory.
        start: where to look for `pyproject.toml`, upwards; the working directory unless a test says another.

    Raises:
        SettingsError: a `pyproject.toml` that cannot be read.
    """
    if given:
        return Target(given, folder, "the command line")
    if named := os.environ.get("TWOLANE_APP"):
        return Target(named, folder, "TWOLANE_APP")
    found = _in_pyproject((start or Path.cwd()).resolve())
    return found and replace(found, folder=folder or found.folder)


def _in_pyproject(start: Path) -> Target | None:
    """What the nearest `pyproject.toml` says."""
    for each in (start, *start.parents):
        file = each / "pyproject.toml"
        if file.is_file():
            try:
                app = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("twolane", {}).get("app")
            except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError) as error:
                raise SettingsError(f"{file} cannot be read: {error}") from None
            return Target(app, str(each), f"[tool.twolane] of {file}") if isinstance(app, str) else None
    return None


def load(target: str, *, folder: str | None = None) -> tuple[Any, Installed]:
    """Import the app of a target, and find its tasks.

    Args:
        target: `module:app`, as uvicorn takes it; `app` is a FastAPI app with tasks installed, or a `Tasks`.
        folder: put before the module search path; the working directory by default, as uvicorn does.

    Returns:
        The app (None for a bare `Tasks`) and its tasks.

    Raises:
        SettingsError: the target does not parse, does not import, or has no tasks.
    """
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise SettingsError(f"an app is named module:app, such as app.main:app, not {target!r}")
    folder = str(Path(folder or "").resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise SettingsError(
            f"there is no module {error.name!r} below {folder}: start in the project's folder, or say --app-dir"
        ) from None
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise SettingsError(f"module {module_name} has no {attribute!r}") from None
    return _tasks_of(found, target)


@asynccontextmanager
async def opened(app: Any, tasks: Installed) -> AsyncGenerator[None]:
    """Enter the app's lifespan, in which its lanes open; a bare `Tasks` opens them itself.

    Args:
        app: the app, or None.
        tasks: its tasks.
    """
    if app is not None:
        async with app.router.lifespan_context(app):
            yield
        return
    runtime = tasks.runtime
    runtime.background.open(asyncio.get_running_loop())
    try:
        await runtime.start()
        yield
    finally:
        await runtime.stop()


def _tasks_of(found: Any, target: str) -> tuple[Any, Installed]:
    if hasattr(found, "registry") and hasattr(found, "install"):
        return None, found
    tasks = getattr(getattr(found, "state", None), "twolane", None)
    if tasks is None:
        raise SettingsError(
            f"{target} has no tasks: it is neither a Tasks nor an app with tasks.install(app)"
        )
    return found, tasks
