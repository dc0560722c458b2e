"""What the killed processes run: the tasks, a client with a ledger, a worker that may kill itself at a step.

Started as `python parts.py client|worker FOLDER ...`. Every line of the ledger and of the effects is
fsynced before anything goes on, so that a kill cannot take back what they say.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path

from twolane import Backoff, RetryLater, TaskContext, Tasks
from twolane.contracts.queue import CancelMessage, Delivery, Outgoing, Send
from twolane.values.record import State

FOLDER = Path(os.environ["TWOLANE_KILL_FOLDER"])
NOW = Backoff(base_s=0.0)
tasks = Tasks(queue=f"sqlite:///{FOLDER / 'queue.db'}")
UNREADABLE = 2
CANCEL_WITHIN_S = 1.0


def write_down(file: str, *words: object) -> None:
    """Append one durable line."""
    fd = os.open(FOLDER / file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, (" ".join(map(str, words)) + "\n").encode())
        os.fsync(fd)
    finally:
        os.close(fd)


@tasks.task(if_lost="alert", name="note", backoff=NOW)
def note(ctx: TaskContext, text: str) -> None:
    write_down("effects", ctx.id, os.getpid(), "begin")
    write_down("effects", ctx.id, os.getpid(), "end")


@tasks.task(if_lost="alert", name="note_async", backoff=NOW)
async def note_async(ctx: TaskContext, text: str) -> None:
    write_down("effects", ctx.id, os.getpid(), "begin")
    await asyncio.sleep(0)
    write_down("effects", ctx.id, os.getpid(), "end")


@tasks.task(if_lost="alert", name="steps", backoff=NOW)
def steps(ctx: TaskContext, total: int) -> None:
    write_down("effects", ctx.id, os.getpid(), "begin")
    for number in range((ctx.cursor or 0) + 1, total + 1):
        write_down("steps", ctx.id, number)
        ctx.checkpoint(number, done=number, total=total)
    write_down("effects", ctx.id, os.getpid(), "end")


@tasks.task(if_lost="alert", name="raises_once", backoff=NOW)
def raises_once(ctx: TaskContext) -> None:
    write_down("effects", ctx.id, os.getpid(), "begin")
    if ctx.attempt == 1:
        write_down("effects", ctx.id, os.getpid(), "raised")
        raise RetryLater(0)
    write_down("effects", ctx.id, os.getpid(), "end")


@tasks.task(if_lost="alert", name="always_raises", max_attempts=2, backoff=NOW)
async def always_raises(ctx: TaskContext) -> None:
    write_down("effects", ctx.id, os.getpid(), "begin")
    write_down("effects", ctx.id, os.getpid(), "raised")
    raise ValueError("as it always does")


@tasks.task(if_lost="alert", name="kills_its_process", max_attempts=2, backoff=NOW)
def kills_its_process(ctx: TaskContext) -> None:
    write_down("killed", os.getpid())
    write_down("effects", ctx.id, os.getpid(), "begin")
    os.kill(os.getpid(), signal.SIGKILL)


async def client(messages: int) -> None:
    """Send a mixture from ten callers; each accepted id goes into the ledger."""
    numbers = iter(range(messages))

    async def caller() -> None:
        for number in numbers:
            match number % 12:
                case 0 | 1 | 2 | 3:
                    ticket = await tasks.send(note, f"number {number}")
                case 4 | 5 | 6 | 7:
                    ticket = await tasks.send(note_async, f"number {number}")
                case 8:
                    ticket = await tasks.send(steps, 5)
                case 9:
                    ticket = await tasks.send(raises_once)
                case 10:
                    ticket = await tasks.send(note.options(delay_s=CANCEL_WITHIN_S), "perhaps")
                    write_down("ledger", ticket.id, "perhaps")
                    if await tasks.runtime.batcher.ask(CancelMessage(ticket.id)) is State.CANCELLED:
                        write_down("cancelled", ticket.id)
                    continue
                case _:
                    ticket = await tasks.send(always_raises)
            write_down("ledger", ticket.id, ticket.task)

    await asyncio.gather(*(caller() for _ in range(10)))
    for _ in range(UNREADABLE):
        runtime = tasks.runtime
        message = Outgoing(runtime.new_id(), "default", "", "no envelope", "", runtime.clock.now())
        (sent,) = await runtime.batcher.ask(Send((message,)))
        write_down("ledger", sent.id, "unreadable")
    ticket = await tasks.send(kills_its_process)
    write_down("ledger", ticket.id, ticket.task)
    write_down("sent", "all")
    tasks.close()


async def worker(step: str, number: int) -> None:
    """Work until SIGTERM; kill this process at the given delivery's step, if a step is given."""
    counter = itertools.count(1)

    def observer(at: str, delivery: Delivery) -> None:
        if at == step and next(counter) == number:
            write_down("killed", os.getpid())
            os.kill(os.getpid(), signal.SIGKILL)

    runtime = tasks.runtime
    runtime.observer = observer
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await runtime.start()
    write_down("up", os.getpid())
    await stop.wait()
    await runtime.stop(5.0)


if __name__ == "__main__":
    import logging

    logging.basicConfig(level=logging.INFO)
    if sys.argv[1] == "client":
        asyncio.run(client(int(sys.argv[2])))
    else:
        asyncio.run(worker(sys.argv[2], int(sys.argv[3])))
