"""The door to Lambda: `handler = twolane.aws_lambda.handler("app.main:app")` runs what an event source of SQS brings.

A second one, `sweep`, is for a schedule. Importing this loads nothing but what the standard library brings; the app
is imported when a handler is made, as Lambda wants it: at the cold start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twolane.aws_lambda.door import Door
    from twolane.aws_lambda.sweeping import Sweep

__all__ = ["handler", "sweep"]


def handler(app: str, *, concurrency: int = 10) -> Door:
    """What Lambda calls with each batch of messages; make it once, in a module of its own.

    The app is imported now, and its lifespan entered once, on one event loop that is kept from invocation to
    invocation. Each message goes the way it goes in a worker; the answer names those that are to come again, so the
    event source mapping needs `FunctionResponseTypes: [ReportBatchItemFailures]`.

    Args:
        app: `module:app`, as uvicorn takes it; `app` is a FastAPI app with tasks installed, or a `Tasks`.
        concurrency: how many messages of a batch run side by side, from 1; as many threads there are for sync tasks.

    Raises:
        SettingsError: the app is not found, or its queue is not on SQS.
        ValueError: a concurrency below 1.
    """
    from twolane.aws_lambda.door import Door

    return Door(app, concurrency=concurrency)


def sweep(app: str) -> Sweep:
    """What Lambda calls on a schedule, once a minute: `sweep = twolane.aws_lambda.sweep("app.main:app")`.

    It ends leases that are over, makes dead letters of what SQS moved away, runs the watch, writes the metrics that alarms
    watch, tells owed alerts and deletes orphaned blobs. What it cannot finish the next one goes on with, and it answers
    what each part has done.

    Args:
        app: `module:app`, as uvicorn takes it; `app` is a FastAPI app with tasks installed, or a `Tasks`.

    Raises:
        SettingsError: the app is not found, its queue is not on SQS, or has no state store.
    """
    from twolane.aws_lambda.sweeping import Sweep

    return Sweep(app)
