"""What a worker is told: made by the command, passed on unread by the parent, read by the child."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told.

    Attributes:
        target: `module:app`.
        app_dir: where `module` is looked for; None: the working directory.
        queues: the queues to serve; empty: those of the tasks.
        slots: how many deliveries to run at a time; None: the default.
        grace_s: how long a stop waits for running deliveries, in seconds; None: the default.
        as_json: log lines, of the parent too, are JSON objects.
    """

    target: str
    app_dir: str | None = None
    queues: tuple[str, ...] = ()
    slots: int | None = None
    grace_s: float | None = None
    as_json: bool = False

    def written(self) -> str:
        """As one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Orders:
        """Read what `written` wrote."""
        fields: dict[str, Any] = json.loads(text)
        queues = tuple(fields.pop("queues"))
        return cls(queues=queues, **fields)
