"""What SQS has moved to a dead-letter queue by itself is a dead letter before a person decides about it."""

from __future__ import annotations

import typer

from twolane.contracts.sweeping import SweepQueues
from twolane.engine.batcher import Batcher
from twolane.engine.runtime import Stores
from twolane.values.errors import QueueError


def sweep(stores: Stores) -> None:
    """Bury what lies in the dead-letter queues alone, as a worker does within minutes; what cannot be looked at is said.

    A queue that moves nothing away by itself, or whose dead letters nobody keeps elsewhere, is left alone.
    """
    if stores.queue.capabilities.prunes:
        return
    from twolane.backends.sqs import SqsQueue  # loads nothing of AWS's where the queue is a file

    if not isinstance(stores.queue, SqsQueue):
        return
    batcher = Batcher(stores.queue)
    try:
        for queue in sorted({"default", *stores.records.stats().queues}):
            try:
                batcher.ask_blocking(SweepQueues((queue,)))
            except QueueError as error:
                typer.echo(
                    f"twolane: what SQS may have moved away from queue {queue} by itself was not looked for: {error}",
                    err=True,
                )
    finally:
        batcher.close()
