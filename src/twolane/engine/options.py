"""The options of `Tasks.task`: which there are, and which the background lane cannot keep."""

from __future__ import annotations

from typing import Any

from twolane.values.errors import DefinitionError
from twolane.values.ticket import Lane

QUESTION = (
    "if this task vanishes, does a human need to know? "
    'No: if_lost="ignore" (runs in the background). Yes: if_lost="alert" (stored, retried, told).'
)
_QUEUE_OPTIONS = frozenset(
    [
        "queue",
        "max_attempts",
        "backoff",
        "timeout_s",
        "patience_s",
        "expires_after_s",
        "unique_key",
        "group_by",
        "retry_on",
        "give_up_on",
        "public_result",
    ]
)
NOT_POLICY = frozenset(["queue", "unique_key", "group_by", "public_result"])
"""Those that are no part of the policy of a task."""


def check_options(lane: Lane, options: dict[str, Any]) -> None:
    """Refuse options that are no option, or that the background lane cannot keep."""
    if unknown := sorted(set(options) - _QUEUE_OPTIONS):
        raise DefinitionError(
            f"a task has no option {', '.join(unknown)}; there are {', '.join(sorted(_QUEUE_OPTIONS))}"
        )
    if lane is Lane.BACKGROUND and options:
        names = ", ".join(sorted(options))
        raise DefinitionError(
            f'{names}: only a queue can keep this, and if_lost="ignore" has none: a task that is lost with '
            f"its process cannot be retried, timed, made unique or kept in order. Ask the question again: {QUESTION}"
        )
