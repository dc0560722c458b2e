"""What a caller gets back for a task that was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Lane(StrEnum):
    """The two lanes: fine to lose, and must not vanish."""

    BACKGROUND = "background"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a caller gets back; FastAPI turns it into JSON as it is.

    Attributes:
        id: the message's id; in the background lane only a name for the logs.
        task: the task's name.
        lane: which lane it takes.
        status_url: the path where its status can be read; None in the background lane, without a status router,
            and from `tasks.send`, which knows no request whose app could have one.
    """

    id: str
    task: str
    lane: Lane
    status_url: str | None = None
