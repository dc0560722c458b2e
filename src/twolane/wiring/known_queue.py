"""What a definition can know of a queue that is not open: loaded only for a task that not every queue could keep."""

from __future__ import annotations

from typing import Any

from twolane.engine.opening_checks import check_timeouts
from twolane.engine.task import Task
from twolane.wiring.settings import Settings, known_address, longest_attempt_s


def check_timeout(task: Task[Any, Any, Any], settings: Settings | None, in_code: str | None) -> None:
    """Refuse a time-out that the queue cannot keep, where it is known by now which that is.

    Args:
        task: of the queue lane.
        settings: those that were read; None: none were yet.
        in_code: the queue's address as the code says it.

    Raises:
        DefinitionError: the queue holds no delivery for as long.
    """
    address = known_address(in_code) if settings is None else settings.address
    if address is not None:
        check_timeouts([task], longest_attempt_s(address), address)
