"""SQS: requests a task and an idle minute, what a send costs beside a loop that batches by hand, how it holds up the loop.

A local AWS (MiniStack) with a counting proxy before its SQS, each a process of its own: the CPU is this process's alone.
"""

import asyncio
import json
import os
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.measure import Report, Scale, at_most, interleave, ratio
from tests.aws import servers
from tests.aws.places import Place, session
from tests.aws.proxy import Remote, proxy_process
from twolane.backends.sqs.parcels import md5

TASKS, CALLERS = 1_000, 50
SENDS, BATCH, ROWS = 1_000, 10, 25
"""Sends a round; messages a call to SQS, rows a call to DynamoDB."""
ANSWERS_S = 0.1
IDLE_POLLS = 3
TICK_S = 0.001
WORKER = [sys.executable, "-c", "from twolane.cli import main; main()", "worker", "benchmarks.aws_app:tasks"]


@dataclass(frozen=True)
class Cloud:
    """A local AWS, the counting proxy before its SQS, and queues there."""

    server: servers.Server
    far: Remote
    place: Place

    @property
    def environment(self) -> dict[str, str]:
        """An app is moved to it by these."""
        return {
            **self.server.environment,
            "AWS_ENDPOINT_URL_SQS": self.far.server.url,
            "TWOLANE_QUEUE": str(self.place.address),
            "TWOLANE_STATE": f"dynamodb://{self.place.name}",
            "TWOLANE_BLOBS": f"s3://{self.place.name}/uploads",
            "TWOLANE_ALERTS": "log",
            "TWOLANE_WATCH": "off",
        }

    def requests(self) -> int:
        """SQS's since the proxy was set."""
        return sum(self.far.told()["counts"].values())


@contextmanager
def cloud() -> Iterator[Cloud]:
    before = dict(os.environ)
    with servers.owned() as folder:
        server = servers.Servers(folder).ministack()
        with proxy_process(server) as far:
            made = Cloud(server, far, Place(server, queues=("default", "mails")))
            os.environ.update(made.environment)
            try:
                yield made
            finally:
                os.environ.clear()
                os.environ.update(before)
                made.place.close()


async def by_callers(send: Callable[[int], Awaitable[Any]], total: int) -> None:
    """So many sends by 50 callers, each of whom waits for its own."""

    async def call(first: int) -> None:
        for number in range(first, total, CALLERS):
            await send(number)

    await asyncio.gather(*(call(number) for number in range(CALLERS)))


@contextmanager
def app(state: str) -> Iterator[Callable[[int], Awaitable[Any]]]:
    """What sends one task, on SQS with this state store."""
    from twolane import Tasks

    os.environ["TWOLANE_STATE"] = state
    tasks = Tasks(worker="off")

    @tasks.task(if_lost="alert", name="noop")
    async def noop(number: int) -> None:
        del number

    try:
        yield lambda number: tasks.send(noop, number)
    finally:
        tasks.close()


# Requests


def requests_of_tasks(there: Cloud, folder: Path) -> tuple[int, float]:
    """What 1,000 tasks ask of SQS from the first send to the last ack, and an idle worker then asks in a minute."""
    with processes.run(WORKER, folder) as worker, app(there.environment["TWOLANE_STATE"]) as send:
        asyncio.run(by_callers(send, CALLERS))  # its queue's URL is known from here on
        while worker.process.stdout.readline().strip() != str(CALLERS):
            pass
        settled(there)
        there.far.set()
        asyncio.run(by_callers(send, TASKS))
        while worker.process.stdout.readline().strip() != str(CALLERS + TASKS):
            pass
        settled(there)
        asked = there.requests()
        return asked, idle_a_minute(there)


def settled(there: Cloud) -> None:
    while there.place.in_flight("default"):
        time.sleep(0.05)


def idle_a_minute(there: Cloud) -> float:
    """The requests of an idle worker, from the end of one poll to that of the third after it."""
    asked = [there.requests()]
    began: list[float] = []
    while len(began) <= IDLE_POLLS:
        time.sleep(0.05)
        if (now := there.requests()) > asked[-1]:
            asked.append(now)
            began.append(time.monotonic())
    return (asked[-1] - asked[1]) * 60 / (began[-1] - began[0])


# CPU


@cache
def plain_client(server: servers.Server, name: str) -> Any:
    """A client as everybody makes it."""
    return session(server.account).create_client(name, endpoint_url=server.url)


def hand_batched(there: Cloud, *, rows: bool) -> float:
    """CPU seconds of a loop that batches by hand and checks each answer, as we do; no caller waits for any of it.

    Args:
        there: where.
        rows: it keeps a row a message as well, on the condition that there is none.
    """
    sqs, dynamodb = plain_client(there.server, "sqs"), plain_client(there.server, "dynamodb")
    url, table = there.place.urls["mails"], there.place.name
    began = time.process_time()
    ids = [str(uuid.uuid4()) for _ in range(SENDS)]
    bodies = [json.dumps({"v": 1, "id": each, "task": "noop", "args": {"number": 1}}) for each in ids]
    for start in range(0, SENDS if rows else 0, ROWS):
        statements = [
            {
                "Statement": f"""INSERT INTO "{table}" VALUE {{'pk': ?, 'ver': ?, 'doc': ?, 'shelf': ?, 'place': ?}}""",
                "Parameters": [{"S": each}, {"N": "1"}, {"S": body * 3}, {"S": "hand"}, {"N": "1"}],
            }
            for each, body in zip(ids[start : start + ROWS], bodies[start : start + ROWS], strict=True)
        ]
        answer = dynamodb.batch_execute_statement(Statements=statements)
        assert not [each for each in answer["Responses"] if "Error" in each]
    for start in range(0, SENDS, BATCH):
        entries = [
            {"Id": str(number), "MessageBody": body}
            for number, body in enumerate(bodies[start : start + BATCH])
        ]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        stored = {each["Id"]: each["MD5OfMessageBody"] for each in answer["Successful"]}
        assert all(stored[each["Id"]] == md5(each["MessageBody"]) for each in entries)
    return time.process_time() - began


def our_cpu(state: str) -> float:
    """CPU seconds of as many sends of ours, by 50 callers, each of whom waits for its own."""
    with app(state) as send:
        asyncio.run(by_callers(send, CALLERS))
        began = time.process_time()
        asyncio.run(by_callers(send, SENDS))
        return time.process_time() - began


# The event loop


async def blocked_s(send: Callable[[int], Awaitable[Any]], total: int) -> float:
    """By how much the latest turn of the loop came too late; what the machine gave to other processes is not counted."""
    late: list[float] = []
    done = asyncio.Event()

    async def tick() -> None:
        while not done.is_set():
            began, waited = time.perf_counter(), run_delay_s()
            await asyncio.sleep(TICK_S)
            late.append(time.perf_counter() - began - TICK_S - (run_delay_s() - waited))

    ticking = asyncio.create_task(tick())
    await by_callers(send, total)
    done.set()
    await ticking
    return max(late)


def run_delay_s() -> float:
    """How long this thread was ready to run while the machine ran others (Linux; elsewhere 0)."""
    told = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    return int(told.read_text().split()[1]) / 1e9 if told.exists() else 0.0


def loop_blocked(there: Cloud, state: str, rounds: int) -> list[float]:
    there.far.set(slow_s=ANSWERS_S)
    with app(state) as send:
        asyncio.run(by_callers(send, CALLERS))
        found = [asyncio.run(blocked_s(send, CALLERS)) for _ in range(rounds)]
    there.far.set()
    return found


def run(scale: Scale) -> Report:
    with cloud() as there, tempfile.TemporaryDirectory() as folder:
        kept = there.environment["TWOLANE_STATE"]
        asked, idle = requests_of_tasks(there, Path(folder))
        hand_batched(there, rows=True)  # the first calls read AWS's descriptions
        found = interleave(
            {
                "a loop by hand": lambda _: hand_batched(there, rows=False),
                "twolane, no state": lambda _: our_cpu("none"),
                "a loop by hand that keeps rows": lambda _: hand_batched(there, rows=True),
                "twolane": lambda _: our_cpu(kept),
            },
            scale.rounds,
        )
        blocked = {name: sorted(loop_blocked(there, name, scale.rounds)) for name in ("none", kept)}
    plain, with_rows = found["a loop by hand"], found["a loop by hand that keeps rows"]
    return Report(
        [
            at_most("SQS requests a task", asked / TASKS, 0.36, ""),
            at_most("idle requests a minute", idle, 3.0, ""),
            at_most(
                "CPU of a send, over a loop by hand (no state)", ratio(found["twolane, no state"], plain), 1.5
            ),
            at_most(
                "CPU of a send, over a loop by hand that keeps rows", ratio(found["twolane"], with_rows), 1.5
            ),
            at_most(
                "the loop blocked, 50 sends (no state)", blocked["none"][scale.rounds // 2] * 1e3, 5, "ms"
            ),
            at_most("the loop blocked, 50 sends", blocked[kept][scale.rounds // 2] * 1e3, 5, "ms"),
        ],
        {
            "with a state store, over a loop by hand that keeps none": f"{ratio(found['twolane'], plain):.2f}",
            **{
                name: f"{sorted(cpu)[len(cpu) // 2] / SENDS * 1e6:.0f} us of CPU a send"
                for name, cpu in found.items()
            },
            "the loop blocked at worst": f"{blocked['none'][-1] * 1e3:.1f} ms, with a state store {blocked[kept][-1] * 1e3:.1f}",
        },
    )
