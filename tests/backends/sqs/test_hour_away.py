"""A whole worker through an hour in which SQS does not answer: nothing is lost, and it goes on by itself."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.aws.faults import drop_before
from tests.aws.places import Place
from tests.aws.proxy import proxy
from tests.aws.servers import Server
from tests.engine.working import WAIT_S, working
from tests.waiting import until
from twolane import Tasks
from twolane.backends.sqs.queue import SWEEP_S
from twolane.values.errors import SendUnknown
from twolane.values.record import State
from twolane.wiring.clock import SystemClock

HOUR_S = 3600.0
LEASE_S = 10.0
"""So long after it was received last SQS shows what it was not told to delete."""
OF_SQS = [
    "ChangeMessageVisibilityBatch",
    "DeleteMessageBatch",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ReceiveMessage",
    "SendMessageBatch",
]


class ForwardClock(SystemClock):
    """The machine's clock, put forward by whoever would have waited."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


def test_a_worker_lives_through_an_hour_without_sqs_and_goes_on_by_itself(
    aws: Server, caplog: pytest.LogCaptureFixture
) -> None:
    clock, tasks = ForwardClock(), Tasks()
    noted: list[str] = []

    @tasks.task(if_lost="alert")
    async def note(text: str) -> None:
        noted.append(text)

    with proxy(aws) as between:
        place = Place(aws, through=between.server, tables=aws)
        began, over = clock.monotonic(), threading.Event()

        def pause(changed: threading.Condition, is_over: Callable[[], bool], pause_s: float) -> None:
            """Nobody waits: the time that was to be waited for is over. After an hour SQS is back."""
            clock.ahead_s += pause_s
            if clock.monotonic() - began > HOUR_S:
                between.faults.clear()
                over.set()

        async def main() -> None:
            begun, go = asyncio.Event(), asyncio.Event()

            @tasks.task(if_lost="alert")
            async def runs() -> None:
                begun.set()
                await go.wait()

            queue, records = place.queue(clock, poll_s=1, pause=pause), place.records(clock)
            async with working(tasks, queue, records, clock, slots=1, poll_s=0.1, lease_s=LEASE_S) as worker:
                running = await worker.send(runs)
                await begun.wait()
                waiting = [await worker.send(note, text) for text in ("a", "b", "c")]

                between.faults |= dict.fromkeys(OF_SQS, drop_before)
                with pytest.raises(SendUnknown) as unknown:
                    await worker.send(note, "nobody knows")
                go.set()  # what runs ends in the outage: its row says so, and SQS cannot be told
                assert await asyncio.to_thread(over.wait, WAIT_S)

                await worker.steps.until("settled", 1 + len(waiting))
                clock.ahead_s += SWEEP_S  # whoever sweeps brings back what waits for an hour and SQS has not
                await worker.steps.until("settled", 2 + len(waiting))
                all_ids = [running, *waiting, *unknown.value.ids]
                assert {worker.record(each).state for each in all_ids} == {State.DONE}
                await asyncio.to_thread(
                    until,
                    lambda: not place.copies("default"),
                    "SQS has nothing left",
                )
            records.close()

        asyncio.run(main())
        place.close()
    assert sorted(noted) == ["a", "b", "c", "nobody knows"], "each once"
    text = "receiving from queue default does not work since "
    said = [each.getMessage() for each in caplog.records if each.name.startswith("twolane")]
    since = [int(found[1]) for line in said if (found := re.match(rf"{text}(\d+) s", line))]
    assert since[0] == 0
    assert since[-1] > HOUR_S - 200
    assert all(later - earlier >= 59 for earlier, later in pairwise(since))
    assert sum(line.startswith("receiving from queue default works again after ") for line in said) == 1
    away = [line for line in said if "does not work" in line]
    assert len(away) <= len(since) + HOUR_S / SWEEP_S + 1, "and hardly anything else"
