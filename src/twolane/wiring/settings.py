"""What holds for this process: from the environment, the constructor, and where the code lies.

The environment wins for where things live (DESIGN.md section 5); a task's policy is the code's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import unquote, urlsplit

from twolane.backends.s3 import Bucket, read_bucket
from twolane.backends.sqs import Address, read_address
from twolane.values.errors import SettingsError
from twolane.values.policy import HELD_EVERYWHERE_S
from twolane.values.thresholds import Thresholds
from twolane.wiring.alert_targets import written
from twolane.wiring.aws_rules import read_state

WorkerMode = Literal["in_app", "off"]
T = TypeVar("T")
SECRET_CHARS = 32
_OTHERS = {"sqlite": "sqs://NAME", "file": "s3://BUCKET/PREFIX"}
_MODES: dict[str, WorkerMode] = {"in_app": "in_app", "off": "off"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for this process.

    Attributes:
        queue: the SQLite file, absolute; or which queues of SQS.
        blobs: the folder of blobs, absolute; or the bucket.
        worker: whether the API process runs its own worker.
        sources: where each of them comes from, for people.
        alerts: who is told beside the log; secrets.
        watches: whether a process with this app takes part in the watch.
        thresholds: from when on the watch finds something wrong.
        state: DynamoDB's table, beside SQS; None: SQLite needs none, and SQS has none.
        alerts_said: it is written out who is told; SQS needs that.
        function: the name of the Lambda function that this process is; None: it is none.
        secret: what tokens of uploads are sealed with; None: none is set.
    """

    queue: Path | Address
    blobs: Path | Bucket
    worker: WorkerMode
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    alerts: tuple[str, ...] = field(default=(), repr=False)
    watches: bool = True
    thresholds: Thresholds = field(default_factory=Thresholds)
    state: str | None = None
    alerts_said: bool = True
    function: str | None = None
    secret: str | None = field(default=None, repr=False)

    @property
    def file(self) -> Path:
        """The SQLite file.

        Raises:
            SettingsError: the queue is none.
        """
        if isinstance(self.queue, Path):
            return self.queue
        raise SettingsError(f"this needs a queue in a SQLite file, and TWOLANE_QUEUE is {self.queue}")

    @property
    def watches_nothing(self) -> bool:
        """There is nothing that a watch could look at: the queue has no state store."""
        return self.state is None and not isinstance(self.queue, Path)

    @property
    def address(self) -> str:
        """The queue's address, as TWOLANE_QUEUE takes it."""
        return f"sqlite:///{self.queue}" if isinstance(self.queue, Path) else str(self.queue)


def read_settings(
    *,
    queue: str | None = None,
    worker: str | None = None,
    state: str | None = None,
    alerts: str | Sequence[str] | None = None,
    watch: Thresholds | Literal["off"] | None = None,
    secret: str | None = None,
    made_in: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings.

    Args:
        queue: the address given in code, such as `sqlite:////var/lib/app/twolane.db`.
        worker: the mode given in code.
        state: the state store given in code, or `none`.
        alerts: the targets given in code; SQS needs an answer, if only `log`.
        watch: the thresholds given in code, or `off`.
        secret: what seals the tokens of uploads, given in code.
        made_in: the file that makes `Tasks()`, beside whose project the default file lies.
        environment: the process's, unless a test brings its own.

    Raises:
        SettingsError: a setting that cannot hold, or none where one is needed.
    """
    env = os.environ if environment is None else environment
    sources: dict[str, str] = {}
    address = _said(env, "queue", queue, sources, "the default: beside the project of the code")
    place = _queue(address, sources["queue"], made_in)
    folder = _said(env, "blobs", None, sources, "the default: beside the queue")
    on_aws = not isinstance(place, Path)
    mode = _said(env, "worker", worker, sources, "the default") or ("off" if on_aws else "in_app")
    if mode not in _MODES:
        raise SettingsError(f"{sources['worker']} is in_app or off, nothing else")
    said = _said(env, "alerts", alerts, sources, "the default")
    watches = _watches(env.get("TWOLANE_WATCH"), watch, sources)
    table = _state(env, state, sources, on_aws=on_aws)
    settings = Settings(
        place,
        _blobs(folder, sources["blobs"], place),
        _MODES[mode],
        sources,
        alerts=written(said),
        watches=watches,
        thresholds=watch if isinstance(watch, Thresholds) else Thresholds(),
        state=table,
        alerts_said=bool(said),
        function=env.get("AWS_LAMBDA_FUNCTION_NAME") or None,
        secret=_secret(env.get("TWOLANE_SECRET") or secret),
    )
    if settings.watches_nothing:
        sources["watches"] = f"{sources['state']}: nothing can be watched without a state store"
        return replace(settings, watches=False)
    return settings


def _secret(said: str | None) -> str | None:
    if said is not None and len(said) < SECRET_CHARS:
        raise SettingsError(
            f"TWOLANE_SECRET has at least {SECRET_CHARS} characters, such as `python -c 'import secrets; "
            "print(secrets.token_hex())'` prints"
        )
    return said


def _watches(said: str | None, given: Thresholds | Literal["off"] | None, sources: dict[str, str]) -> bool:
    """Whether a process watches is the environment's to say, from when on something is wrong the code's."""
    if said not in (None, "", "on", "off"):
        raise SettingsError("TWOLANE_WATCH is on or off, nothing else")
    if not (given is None or given == "off" or isinstance(given, Thresholds)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SettingsError(f'Tasks(watch=...) takes Thresholds or "off", not {given!r}')
    sources["watches"] = "TWOLANE_WATCH" if said else "Tasks(watch=...)" if given else "the default"
    return (said or given) != "off"


def _state(
    env: Mapping[str, str], in_code: str | None, sources: dict[str, str], *, on_aws: bool
) -> str | None:
    """DynamoDB's table; None: there is none."""
    store = _said(env, "state", in_code, sources, "the default")
    if on_aws:
        return read_state(store, sources["state"])
    if store not in (None, "none"):
        raise SettingsError(f"{sources['state']} is for SQS: a queue in a SQLite file keeps its state itself")
    del sources["state"]
    return None


def _said(
    env: Mapping[str, str], name: str, in_code: T, sources: dict[str, str], default: str
) -> str | T | None:
    """What the environment says, else the code; and who it was."""
    variable = f"TWOLANE_{name.upper()}"
    if value := env.get(variable):
        sources[name] = variable
        return value
    sources[name] = f"Tasks({name}=...)" if in_code else default
    return in_code or None


def _queue(address: str | None, source: str, made_in: str | None) -> Path | Address:
    if not address:
        return default_file(made_in)
    return read_address(address) if _is_of_sqs(address) else _path(address, "sqlite", source)


def _is_of_sqs(address: str) -> bool:
    return urlsplit(address).scheme in ("sqs", "http", "https")


def known_address(in_code: str | None) -> str | None:
    """The queue's address as far as it is said by now, without a look at whether it is one; None: nobody has said any."""
    return os.environ.get("TWOLANE_QUEUE") or in_code


def longest_attempt_s(address: str) -> float | None:
    """How long the queue of an address can hold a delivery, in seconds, extensions included; None: for ever.

    Opens nothing: a definition can ask it, and the queue's own answer is asked for when it is opened.
    """
    return HELD_EVERYWHERE_S if _is_of_sqs(address) else None


def _blobs(address: str | None, source: str, file: Path | Address | None) -> Path | Bucket:
    if address:
        return read_bucket(address) if urlsplit(address).scheme == "s3" else _path(address, "file", source)
    if not isinstance(file, Path):
        raise SettingsError(
            "where do uploads and large arguments go? Beside SQS, set TWOLANE_BLOBS=s3://BUCKET/PREFIX"
        )
    return file.with_name(f"{file.name}-blobs")


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
    form = f"{source} takes {scheme}:////absolute/path or {_OTHERS[scheme]}"
    parts = urlsplit(address)
    if parts.scheme != scheme:
        given = f"{parts.scheme}://" if parts.scheme else "an address without it"
        raise SettingsError(f"{form}; {given} is not served by this version: {address!r}")
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("//") or parts.query or parts.fragment:
        raise SettingsError(f"{form}, with four slashes and nothing behind the path, not {address!r}")
    return Path(path[1:])
