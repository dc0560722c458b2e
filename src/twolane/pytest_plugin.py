"""The `twolane` fixture of pytest. Loads nothing of twolane's until a test asks for it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from twolane.testing import Inbox, TasksLike


class OpenInbox(Protocol):
    """What the fixture answers; for the annotation of a test's parameter."""

    def __call__(self, tasks: TasksLike, *, worker: bool = False) -> Inbox:
        """Replace where `tasks` stores its messages by memory until the test ends; see `open_inbox`."""
        ...


@pytest.fixture
def twolane() -> Generator[OpenInbox]:
    """Gives a `Tasks` a queue in memory until the test ends: call it with the tasks, keep the inbox."""
    from twolane.testing import open_inbox

    with ExitStack() as stack:

        def open_one(tasks: TasksLike, *, worker: bool = False) -> Inbox:
            return stack.enter_context(open_inbox(tasks, worker=worker))

        yield open_one
