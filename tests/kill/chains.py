"""What the killed processes of chains run: as parts.py, with a task that has dependencies and sends its successor.

Apart from parts.py since it loads FastAPI.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

from fastapi import Depends

from tests.kill.ledger import write_down
from tests.kill.parts import NOW, tasks, worker
from twolane import Lanes, TaskContext, given

LINKS = 3
"""How many successors each chain has."""


def session(ctx: TaskContext) -> Iterator[str]:
    yield ctx.id


@tasks.task(if_lost="alert", name="link", backoff=NOW)
def link(
    left: int, twice: bool = False, lanes: Lanes = given, session: Annotated[str, Depends(session)] = given
) -> None:
    for _ in range(2 if twice else 1):
        if left:
            lanes.add_task(link, left - 1)


async def client(chains: int) -> None:
    for _ in range(chains):
        ticket = await tasks.send(link, LINKS, twice=True)
        write_down("ledger", ticket.id, "link")
    tasks.close()


def main(words: Sequence[str]) -> None:
    """Be the client or a worker of a round."""
    if words[0] == "client":
        asyncio.run(client(int(words[1])))
    else:
        asyncio.run(worker(words[1], int(words[2])))


if __name__ == "__main__":
    main(sys.argv[1:])
