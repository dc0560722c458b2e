"""Whether a queue can keep what the tasks ask for: looked at when the lanes open, or as soon as it is known."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from twolane.engine.task import Task
from twolane.values.errors import DefinitionError

log = logging.getLogger("twolane.runtime")


def say_unordered(tasks: Sequence[Task[Any, Any, Any]]) -> None:
    """Whoever asks for an order hears where there is none."""
    for task in tasks:
        if task.group_by is not None:
            log.info(
                "task %s has group_by=%r: this queue keeps no order and runs a group's messages side by side; "
                "a FIFO queue of SQS does not",
                task.name, task.group_by,
            )  # fmt: skip


def check_timeouts(tasks: Sequence[Task[Any, Any, Any]], longest_s: float | None, address: str) -> None:
    """See that the queue can hold each delivery as long as its task may take.

    Args:
        tasks: those of the queue lane.
        longest_s: how long it can, in seconds, extensions included; None: for ever.
        address: the queue's, for people.

    Raises:
        DefinitionError: it cannot.
    """
    for task in tasks:
        if longest_s is not None and task.policy.timeout_s > longest_s:
            raise DefinitionError(
                f"task {task.name} has timeout_s={task.policy.timeout_s:g}, and the queue {address} can hold a delivery "
                f"for {longest_s:g} s ({longest_s / 3600:g} h) at most, however often its lease is extended: another "
                f"worker would run it beside the first. Give it timeout_s={longest_s:g} or less; what may take longer "
                f"saves checkpoints (ctx.checkpoint), and its next attempt goes on from the last one"
            )


def say_cut_short(tasks: Sequence[Task[Any, Any, Any]], function_s: float) -> None:
    """Whoever lets a task take longer than the function it runs in hears what becomes of it.

    Args:
        tasks: those that may run here.
        function_s: how long one invocation may take, in seconds.
    """
    for task in tasks:
        if task.policy.timeout_s <= function_s:
            continue
        if task.takes_context:
            log.info(
                "task %s has timeout_s=%g, and this function ends after %g s: what takes longer goes on in another "
                "invocation from its last ctx.checkpoint, and without a new one has used up an attempt",
                task.name, task.policy.timeout_s, function_s,
            )  # fmt: skip
        else:
            log.warning(
                "task %s has timeout_s=%g, and this function ends after %g s: what takes longer never finishes here and "
                "dies as timed_out, since a task without a TaskContext saves no checkpoint to go on from. Take "
                "`ctx: TaskContext` and call ctx.checkpoint, give the function more time (900 s at most), or run the "
                "task with `twolane worker`",
                task.name, task.policy.timeout_s, function_s,
            )  # fmt: skip
