"""What a function did, as an outcome: from what it returned or raised, and why its delivery had to end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, cast

from twolane.engine.failures import failure_of
from twolane.engine.hold import Hold
from twolane.engine.task import Task
from twolane.values.errors import GiveUp, Interrupted, RetryLater
from twolane.values.outcome import (
    AskedForRetry,
    Failed,
    Failure,
    GaveUp,
    LostLease,
    Outcome,
    RanOut,
    Succeeded,
    TimedOut,
    WasCancelled,
    WasStopped,
)
from twolane.values.policy import Policy

log = logging.getLogger("twolane.run")

MAX_RESULT_BYTES = 16 * 1024


def outcome_of(
    task: Task[Any, Any, Any],
    hold: Hold,
    result: Any,
    error: BaseException | None,
    started_at: float,
    ended_at: float,
) -> Outcome:
    """What a function did, from what it returned or raised."""
    if error is None:
        return Succeeded(_result(task, result))
    if isinstance(error, (Interrupted, asyncio.CancelledError)) and hold.why is not None:
        return interrupted(task, hold, started_at, ended_at)
    failure = failure_of(error, started_at, ended_at)
    leaves = _leaves(error)
    if gave_up := [leaf for leaf in leaves if isinstance(leaf, GiveUp)]:
        return GaveUp(_of_leaf(failure, error, gave_up[0]), gave_up[0].public)
    if later := [leaf for leaf in leaves if isinstance(leaf, RetryLater)]:
        last = max(later, key=attrgetter("after_s"))
        return AskedForRetry(_of_leaf(failure, error, last), last.after_s)
    return Failed(failure, final=_is_final(task.policy, error, leaves))


def _leaves(error: BaseException) -> list[BaseException]:
    """An exception, or what is in a group of them: a TaskGroup raises a group, whatever was raised in it."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for inner in group.exceptions for leaf in _leaves(inner)]


def _of_leaf(failure: Failure, error: BaseException, leaf: BaseException) -> Failure:
    """A failure that says what the task said, where it said so in a group; the traceback stays the group's."""
    if leaf is error:
        return failure
    said = failure_of(leaf, failure.started_at, failure.ended_at)
    return replace(failure, error_type=said.error_type, message=said.message)


def _is_final(policy: Policy, error: BaseException, leaves: Sequence[BaseException]) -> bool:
    """Whether the types of an exception say that it is not tried again; a group is named itself, or all in it are."""
    if isinstance(error, policy.give_up_on) or any(isinstance(leaf, policy.give_up_on) for leaf in leaves):
        return True
    if not policy.retry_on or isinstance(error, policy.retry_on):
        return False
    return not all(isinstance(leaf, policy.retry_on) for leaf in leaves)


def interrupted(task: Task[Any, Any, Any], hold: Hold, started_at: float, ended_at: float) -> Outcome:
    """What it means that a function ended, or was left, since its delivery had to end."""
    match hold.why:
        case "cancelled":
            return WasCancelled()
        case "lease_lost":
            return LostLease()
        case "timed_out":
            text = f"it took longer than its time-out of {task.policy.timeout_s:g} s"
            return TimedOut(Failure("TimedOut", text, "", started_at, ended_at))
        case "paused" | "out_of_time":
            text = "the time of its process was over, and it had saved no new checkpoint"
            failure = Failure("TimedOut", text, "", started_at, ended_at)
            return RanOut(failure, had_time=not hold.began_late)
        case _:
            return WasStopped()


def report_late(task: str, message_id: str, error: BaseException | None) -> None:
    """What was given up has ended after all; nothing depends on how."""
    if error is None or isinstance(error, (Interrupted, asyncio.CancelledError)):
        log.warning("%s %s ended after its slot was given up", task, message_id)
    else:
        log.warning("%s %s failed after its slot was given up", task, message_id, exc_info=error)


def _result(task: Task[Any, Any, Any], value: Any) -> Any:
    """What a task returned, as a small JSON value; what is none is dropped with a warning."""
    if value is None:
        return None
    from pydantic_core import to_jsonable_python

    try:
        result = to_jsonable_python(value)
        size = len(json.dumps(result, allow_nan=False))
    except (ValueError, TypeError, RecursionError) as error:
        log.warning("%s returned what JSON cannot carry (%s): the record keeps no result", task.name, error)
        return None
    if size > MAX_RESULT_BYTES:
        log.warning(
            "%s returned %d bytes, a record keeps %d: no result kept", task.name, size, MAX_RESULT_BYTES
        )
        return None
    return result
