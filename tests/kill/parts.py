"""What the killed processes run: the tasks, a client with a ledger, a worker that may kill itself at a step.

Forked (tests/forks.py). Every line of the ledger and of the effects is fsynced before
anything goes on, so that a kill cannot take back what they say.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from tests.kill.ledger import write_down
from twolane import Backoff, RetryLater, TaskContext, Tasks
from twolane.contracts.queue import CancelMessage, Delivery, Outgoing, Send
from twolane.engine import teller
from twolane.engine.run import Observer, unobserved
from twolane.engine.targets import LogTarget
from twolane.values.errors import QueueError, SendRefused, SendUnknown
from twolane.values.record import State

NOW = Backoff(base_s=0.0)
ATTEMPTS = int(os.environ.get("TWOLANE_KILL_ATTEMPTS", "5"))
"""What is to get done has so many: where a slow machine can end a lease, it uses up some."""
tasks = Tasks()
# Who was killed while it told the log is relieved within a second, not ten: each round waits for it.
LogTarget.timeout_s = 0.6
teller.SLACK_S, teller.LOOK_S = 0.4, 0.2
UNREADABLE = 2
CANCEL_WITHIN_S = 1.0


def did(ctx: TaskContext, what: str) -> None:
    """Write down what an attempt of a task does."""
    write_down("effects", ctx.id, os.getpid(), what, ctx.attempt)


@tasks.task(if_lost="alert", name="note", max_attempts=ATTEMPTS, backoff=NOW)
def note(ctx: TaskContext, text: str) -> None:
    did(ctx, "begin")
    did(ctx, "end")


@tasks.task(if_lost="alert", name="note_async", max_attempts=ATTEMPTS, backoff=NOW)
async def note_async(ctx: TaskContext, text: str) -> None:
    did(ctx, "begin")
    await asyncio.sleep(0)
    did(ctx, "end")


@tasks.task(if_lost="alert", name="steps", max_attempts=ATTEMPTS, backoff=NOW)
def steps(ctx: TaskContext, total: int) -> None:
    did(ctx, "begin")
    for number in range((ctx.cursor or 0) + 1, total + 1):
        write_down("steps", ctx.id, number)
        ctx.checkpoint(number, done=number, total=total)
    did(ctx, "end")


@tasks.task(if_lost="alert", name="raises_once", max_attempts=ATTEMPTS, backoff=NOW)
def raises_once(ctx: TaskContext) -> None:
    did(ctx, "begin")
    if ctx.attempt == 1:
        did(ctx, "raised")
        raise RetryLater(0)
    did(ctx, "end")


@tasks.task(if_lost="alert", name="always_raises", max_attempts=2, backoff=NOW)
async def always_raises(ctx: TaskContext) -> None:
    did(ctx, "begin")
    did(ctx, "raised")
    raise ValueError("as it always does")


@tasks.task(if_lost="alert", name="kills_its_process", max_attempts=2, backoff=NOW)
def kills_its_process(ctx: TaskContext) -> None:
    write_down("killed", os.getpid(), time.time())
    did(ctx, "begin")
    os.kill(os.getpid(), signal.SIGKILL)


async def accepted(message_id: str, task: str, send: Callable[[], Awaitable[Any]]) -> bool:
    """Send until the outcome is known; what was accepted goes into the ledger."""
    unknown = False
    while True:
        try:
            await send()
        except SendUnknown:
            unknown = True  # again under the same id, which stores nothing twice
        except SendRefused:
            if not unknown:
                write_down("refused", message_id, task)
                return False
        else:
            write_down("ledger", message_id, task)
            return True


async def client(messages: int) -> None:
    """Send a mixture from ten callers; each accepted id goes into the ledger."""
    numbers = iter(range(messages))

    async def send(task: Any, *args: Any, name: str | None = None, **options: Any) -> str | None:
        message_id = tasks.runtime.new_id()
        sendable = task.options(id=message_id, **options)
        is_in = await accepted(message_id, name or task.name, lambda: tasks.send(sendable, *args))
        return message_id if is_in else None

    async def caller() -> None:
        for number in numbers:
            match number % 12:
                case 0 | 1 | 2 | 3:
                    await send(note, f"number {number}")
                case 4 | 5 | 6 | 7:
                    await send(note_async, f"number {number}")
                case 8:
                    await send(steps, 5)
                case 9:
                    await send(raises_once)
                case 10:
                    perhaps = await send(note, "perhaps", name="perhaps", delay_s=CANCEL_WITHIN_S)
                    await cancel(perhaps)
                case _:
                    await send(always_raises)

    await asyncio.gather(*(caller() for _ in range(10)))
    runtime = tasks.runtime
    for _ in range(UNREADABLE):
        message = Outgoing(runtime.new_id(), "default", "", "no envelope", "", runtime.clock.now())
        await accepted(
            message.id, "unreadable", lambda message=message: runtime.batcher.ask(Send((message,)))
        )
    await send(kills_its_process)
    write_down("sent", "all")
    tasks.close()


async def cancel(message_id: str | None) -> None:
    """Cancel a message that may wait still, and write down if it did."""
    if message_id is None:
        return
    with suppress(QueueError):
        if await tasks.runtime.batcher.ask(CancelMessage(message_id)) is State.CANCELLED:
            write_down("cancelled", message_id)


async def worker(step: str, number: int, look: Observer = unobserved) -> None:
    """Work until SIGTERM; kill this process at the given delivery's step, if a step is given."""
    counter = itertools.count(1)

    def observer(at: str, delivery: Delivery) -> None:
        look(at, delivery)
        if at == step and next(counter) == number:
            write_down("killed", os.getpid(), time.time())
            os.kill(os.getpid(), signal.SIGKILL)

    runtime = tasks.runtime
    runtime.observer = observer
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await runtime.start()
    write_down("up", os.getpid())
    await stop.wait()
    await runtime.stop(5.0)


def main(words: Sequence[str], look: Observer = unobserved) -> None:
    """Be the client or a worker of a round, whose steps are looked at."""
    logging.basicConfig(level=logging.INFO, format="%(process)d %(levelname)s:%(name)s:%(message)s")
    if words[0] == "client":
        asyncio.run(client(int(words[1])))
    else:
        asyncio.run(worker(words[1], int(words[2]), look))


if __name__ == "__main__":
    main(sys.argv[1:])
