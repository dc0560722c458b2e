"""What a function did, as an outcome: from what it returned or raised, and why its delivery had to end."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

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
    if isinstance(error, GiveUp):
        return GaveUp(failure, error.public)
    if isinstance(error, RetryLater):
        return AskedForRetry(failure, error.after_s)
    policy = task.policy
    final = isinstance(error, policy.give_up_on) or bool(
        policy.retry_on and not isinstance(error, policy.retry_on)
    )
    return Failed(failure, final=final)


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


def report_late(task: str, message_id: str, ended: asyncio.Task[Any]) -> None:
    """What was given up has ended after all; nothing depends on how."""
    error = None if ended.cancelled() else ended.exception()
    if error is None or isinstance(error, Interrupted):
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
