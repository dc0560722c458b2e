"""What Lambda calls: the app and its event loop, kept from invocation to invocation, and one batch at a time.

    cold start: import the app -> a loop -> enter the lifespan -> say who works here
    invocation: event -> records -> batch (run, decide, settle) -> the ids of those that come again

Lambda replaces receive and worker, nothing else (DESIGN.md section 8).
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, cast

from twolane.aws_lambda.batch import Batch
from twolane.aws_lambda.events import Record, read_event
from twolane.aws_lambda.life import Life
from twolane.aws_lambda.logs import write_json
from twolane.aws_lambda.time_left import TimeLeft
from twolane.contracts.upkeep import Register, Unregister
from twolane.engine.opening_checks import say_cut_short
from twolane.engine.runtime import Runtime
from twolane.engine.threads import Threads
from twolane.values.errors import QueueError, SettingsError
from twolane.values.record import WorkerInfo
from twolane.wiring.json_lines import JsonLines
from twolane.wiring.target import load, opened

if TYPE_CHECKING:
    from twolane.contracts.sweeping import SweptQueue

log = logging.getLogger("twolane.lambda")

LEAVE_S = 0.4
"""How long the app's lifespan may take to end, in seconds."""
SNAPSHOT = "snap-start"
"""How AWS_LAMBDA_INITIALIZATION_TYPE calls a start whose memory many sandboxes will have."""


class Context(Protocol):
    """What Lambda tells of an invocation."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Until the process is killed."""
        ...


class Door:
    """The handler of one app; see `twolane.aws_lambda.handler`."""

    def __init__(self, app: str, *, concurrency: int) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency takes a whole number from 1, not {concurrency!r}")
        self._concurrency = concurrency
        self._lines = JsonLines()
        if "AWS_LAMBDA_RUNTIME_API" in os.environ:
            write_json(self._lines)
        self._app, self._tasks = load(app)
        if isinstance(self._tasks.settings.queue, Path):
            raise SettingsError(
                f"a function of Lambda takes its work from SQS, and the queue is {self._tasks.settings.address}: set "
                "TWOLANE_QUEUE=sqs://NAME"
            )
        self._address = self._tasks.settings.queue
        self._runner = asyncio.Runner()
        self._life = Life(self._live)
        self._has_run = False
        kind = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE")
        if "AWS_LAMBDA_RUNTIME_API" in os.environ and kind != SNAPSHOT:
            self._runner.run(self._start())

    def __call__(self, event: Any, context: Context) -> dict[str, list[dict[str, str]]]:
        """Run a batch of messages.

        Args:
            event: what an event source mapping of SQS sends.
            context: Lambda's.

        Returns:
            The ids of those that are to come again; Lambda deletes the others.

        Raises:
            UsageError: the event is none of SQS, or of another app's queue; nothing was run.
            QueueError: the state store does not work; nothing was run.
        """
        self._lines.request_id = context.aws_request_id
        return self._runner.run(self._invoke(event, context))

    async def _invoke(self, event: Any, context: Context) -> dict[str, list[dict[str, str]]]:
        runtime = self._tasks.runtime
        time_left = TimeLeft(context.get_remaining_time_in_millis() / 1000, runtime.clock.monotonic)
        await self._start()
        if not self._has_run:
            self._has_run = True
            say_cut_short(runtime.registry.queue_tasks(), math.ceil(time_left.left_s))
        records = read_event(event, self._queue_of)
        batch = Batch(records, self._around, worker=self._worker.id, time_left=time_left)
        await batch.run(self._concurrency)
        if batch.deaths:
            await runtime.tell_now()
        await self._settle_blobs(time_left)
        return {"batchItemFailures": [_named(each) for each in records if each.id not in batch.gone]}

    async def _settle_blobs(self, time_left: TimeLeft) -> None:
        """Tag the blobs of what has ended before the sandbox stands still, perhaps for ever."""
        if self._tasks.settings.state is None:
            return
        queue = cast("SweptQueue", self._tasks.runtime.stores.queue)
        with suppress(TimeoutError):  # the thread goes on in the next invocation, else the sweep finds them
            async with asyncio.timeout(time_left.until_stop_s):
                await asyncio.to_thread(queue.settle_blobs)

    def _queue_of(self, name: str) -> str | None:
        queue = self._address.queue_called(name)
        return queue if queue in self._worker.queues else None

    # The app's life

    async def _start(self) -> None:
        if await self._life.enter():
            self._heed_sigterm()

    def _heed_sigterm(self) -> None:
        """End the app's life before the sandbox goes: Lambda says so, where there is an extension, for half a second."""
        if threading.current_thread() is not threading.main_thread():
            return

        def leave(number: int, frame: FrameType | None) -> None:
            if not self._runner.get_loop().is_running():  # else an invocation has timed out
                try:
                    self._runner.run(self._life.leave(LEAVE_S))
                except Exception:
                    log.exception("the app's lifespan did not end as it should")
            if callable(before):
                before(number, frame)
            elif before is signal.SIG_DFL:  # which ends the process: nothing is left to wait for
                signal.signal(number, before)
                os.kill(os.getpid(), number)

        before = signal.signal(signal.SIGTERM, leave)

    @asynccontextmanager
    async def _live(self) -> AsyncGenerator[None]:
        async with opened(self._app, self._tasks):
            runtime = self._tasks.runtime
            self._worker = _worker_info(runtime, self._concurrency)
            threads = Threads(self._concurrency, name="twolane-task")
            self._around = runtime.surroundings(
                threads, Threads(self._concurrency, name="twolane-dependency")
            )
            await self._tell_worker(Register(self._worker))
            yield
            await self._tell_worker(Unregister(self._worker.id))

    async def _tell_worker(self, entry: Register | Unregister) -> None:
        """Who works here is for people to see: work does not wait for it."""
        try:
            await self._around.batcher.ask(entry)
        except QueueError as error:
            log.warning("the list of workers could not be written: %s", error)


def _worker_info(runtime: Runtime, slots: int) -> WorkerInfo:
    tasks = runtime.registry.queue_tasks()
    return WorkerInfo(
        id=runtime.new_id(),
        pid=os.getpid(),
        kind="lambda",
        queues=tuple(sorted({"default", *(task.queue for task in tasks)})),
        tasks=tuple(task.name for task in tasks),
        slots=slots,
        started_at=runtime.clock.now(),
    )


def _named(record: Record) -> dict[str, str]:
    return {"itemIdentifier": record.id}
