"""What is owed to the people who must be told, and how far each target has been told of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell that is no death: a condition of the watch, a worker that takes no more sync work.

    Attributes:
        key: what it is about, such as `watch:backlog:imports`: two of one key are of one kind.
        title: one line of plain text.
        body: plain text.
    """

    key: str
    title: str
    body: str
