"""What the killed tellers run: tasks that die, and `kill -9` at a moment between sending an alert and marking it.

Its `main` is called with `send COUNT SEED` or `work`, in a process of its own (tests/forks.py). Each message that was accepted goes into the ledger, with its task.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import sys
from collections.abc import Sequence

from tests.kill.ledger import write_down
from twolane import Backoff, Death, Tasks
from twolane.engine import teller
from twolane.engine.limits import Limits
from twolane.engine.runtime import Runtime
from twolane.engine.targets import HookTarget
from twolane.wiring.alert_targets import AppriseTarget
from twolane.wiring.opening import make_runtime

DIGEST_S = 1.0
tasks = Tasks()


@tasks.task(if_lost="alert", name="one", max_attempts=1, backoff=Backoff(base_s=0.0))
async def one(number: int) -> None:
    raise ValueError(f"order {number} is gone")


@tasks.task(if_lost="alert", name="two", max_attempts=1, backoff=Backoff(base_s=0.0))
def two(number: int) -> None:
    raise KeyError(f"seat {number}")


@tasks.on_death
def noted(death: Death) -> None:
    write_down("hooked", death.id)


async def send(count: int, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(count):
        ticket = await tasks.send(chance.choice((one, two)), number)
        write_down("ledger", ticket.id, ticket.task)
    write_down("sent", "all")
    tasks.close()


def runtime() -> Runtime:
    """A runtime whose minute is a second, and whose leases are as much shorter."""
    teller.SLACK_S = teller.BATCH_S = 0.5
    HookTarget.timeout_s = AppriseTarget.timeout_s = 2.0
    made = make_runtime(tasks.registry, tasks.settings, Limits(digest_s=DIGEST_S))
    tasks.swap_runtime(made)
    return made


async def work() -> None:
    """Work until SIGTERM."""
    here, stop = runtime(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await here.start()
    await stop.wait()
    await here.stop(5.0)


def main(words: Sequence[str]) -> None:
    """Be the sender or a worker of a round."""
    logging.basicConfig(level=logging.INFO)
    if words[0] == "send":
        asyncio.run(send(int(words[1]), int(words[2])))
    else:
        asyncio.run(work())


if __name__ == "__main__":
    main(sys.argv[1:])
