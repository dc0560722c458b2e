"""What holds for this process: from the environment, the constructor, and where the code lies.

The environment wins for where things live (DESIGN.md section 5); a task's policy is the code's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from twolane.values.errors import SettingsError
from twolane.values.thresholds import Thresholds
from twolane.wiring.alert_targets import written

WorkerMode = Literal["in_app", "off"]
_MODES: dict[str, WorkerMode] = {"in_app": "in_app", "off": "off"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for this process.

    Attributes:
        queue: the SQLite file, absolute.
        blobs: the folder of blobs, absolute.
        worker: whether the API process runs its own worker.
        sources: where each of them comes from, for people.
        alerts: who is told beside the log; secrets.
        watches: whether a process with this app takes part in the watch.
        thresholds: from when on the watch finds something wrong.
    """

    queue: Path
    blobs: Path
    worker: WorkerMode
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    alerts: tuple[str, ...] = field(default=(), repr=False)
    watches: bool = True
    thresholds: Thresholds = field(default_factory=Thresholds)


def read_settings(
    *,
    queue: str | None = None,
    worker: str | None = None,
    alerts: str | Sequence[str] | None = None,
    watch: Thresholds | Literal["off"] | None = None,
    made_in: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings.

    Args:
        queue: the address given in code, such as `sqlite:////var/lib/app/twolane.db`.
        worker: the mode given in code.
        alerts: the targets given in code.
        watch: the thresholds given in code, or `off`.
        made_in: the file that makes `Tasks()`, beside whose project the default file lies.
        environment: the process's, unless a test brings its own.

    Raises:
        SettingsError: a setting that cannot hold, or none where one is needed.
    """
    env = os.environ if environment is None else environment
    sources: dict[str, str] = {}
    if address := env.get("TWOLANE_QUEUE"):
        sources["queue"] = "TWOLANE_QUEUE"
    elif address := queue:
        sources["queue"] = "Tasks(queue=...)"
    file = _path(address, "sqlite", sources["queue"]) if address else default_file(made_in)
    sources.setdefault("queue", "the default: beside the project of the code")
    if folder := env.get("TWOLANE_BLOBS"):
        sources["blobs"] = "TWOLANE_BLOBS"
    blobs = _path(folder, "file", "TWOLANE_BLOBS") if folder else file.with_name(f"{file.name}-blobs")
    sources.setdefault("blobs", "the default: beside the queue")
    mode = _MODES.get(env.get("TWOLANE_WORKER") or worker or "in_app")
    sources["worker"] = (
        "TWOLANE_WORKER" if env.get("TWOLANE_WORKER") else "Tasks(worker=...)" if worker else "the default"
    )
    if mode is None:
        raise SettingsError(f"{sources['worker']} is in_app or off, nothing else")
    told = written(env.get("TWOLANE_ALERTS") or alerts)
    sources["alerts"] = (
        "TWOLANE_ALERTS" if env.get("TWOLANE_ALERTS") else "Tasks(alerts=...)" if alerts else "the default"
    )
    watches = _watches(env.get("TWOLANE_WATCH"), watch, sources)
    thresholds = watch if isinstance(watch, Thresholds) else Thresholds()
    return Settings(file, blobs, mode, sources, told, watches, thresholds)


def _watches(said: str | None, given: Thresholds | Literal["off"] | None, sources: dict[str, str]) -> bool:
    """Whether a process watches is the environment's to say, from when on something is wrong the code's."""
    if said not in (None, "", "on", "off"):
        raise SettingsError("TWOLANE_WATCH is on or off, nothing else")
    if not (given is None or given == "off" or isinstance(given, Thresholds)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SettingsError(f'Tasks(watch=...) takes Thresholds or "off", not {given!r}')
    sources["watches"] = "TWOLANE_WATCH" if said else "Tasks(watch=...)" if given else "the default"
    return (said or given) != "off"


def default_file(made_in: str | None) -> Path:
    """`twolane.db` beside the nearest `pyproject.toml` above a file of code, else beside that file.

    Never the working directory: two processes started in two places must find the same queue.

    Raises:
        SettingsError: there is no such file (a shell, standard input).
    """
    if made_in is None or made_in.startswith("<"):
        raise SettingsError(
            "there is no file beside which the queue could lie: set TWOLANE_QUEUE=sqlite:////absolute/path.db"
        )
    file = Path(made_in).resolve()
    for folder in file.parents:
        if (folder / "pyproject.toml").is_file():
            return folder / "twolane.db"
    return file.parent / "twolane.db"


def _path(address: str, scheme: str, source: str) -> Path:
    """The absolute path of an address."""
    form = f"{source} takes {scheme}:////absolute/path"
    parts = urlsplit(address)
    if parts.scheme != scheme:
        given = f"{parts.scheme}://" if parts.scheme else "an address without it"
        raise SettingsError(f"{form}; {given} is not served by this version: {address!r}")
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("//") or parts.query or parts.fragment:
        raise SettingsError(f"{form}, with four slashes and nothing behind the path, not {address!r}")
    return Path(path[1:])
