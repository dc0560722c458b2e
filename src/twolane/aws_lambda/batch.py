"""One batch: its messages run side by side, in order where the queue keeps one, for as long as there is time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from twolane.aws_lambda.events import Record
from twolane.aws_lambda.time_left import TimeLeft
from twolane.contracts.feeding import HandOut, NotHandedOut
from twolane.contracts.queue import Delivery
from twolane.engine.delivering import SETTLE_TRIES, deliver
from twolane.engine.hold import Hold
from twolane.engine.run import Ran, Surroundings
from twolane.engine.settle import put_back
from twolane.values.errors import QueueError

log = logging.getLogger("twolane.lambda")

ANSWER_S = 0.3
"""So long before the end the answer goes, whatever is still under way then."""
MARGIN_S = 5.0
"""So much longer than the function a lease lives: the clocks of two machines differ."""


class Batch:
    """The records of one event.

    Args:
        records: in the order of the event.
        around: what running them needs.
        worker: who runs them.
        time_left: the invocation's.

    Attributes:
        gone: the ids of those that are done with: Lambda deletes them.
        deaths: how many died.
    """

    def __init__(
        self, records: Sequence[Record], around: Surroundings, *, worker: str, time_left: TimeLeft
    ) -> None:
        self.gone: set[str] = set()
        self.deaths = 0
        self._around = around
        self._worker = worker
        self._time_left = time_left
        self._lines = _lines(records)
        self._holds: dict[str, Hold] = {}
        self._unstarted: list[Record] = []
        self._backs: list[asyncio.Task[None]] = []
        self._error: QueueError | None = None

    async def run(self, concurrency: int) -> None:
        """Run them, so many at a time.

        Raises:
            QueueError: nothing could be run, since the state store does not work. Lambda is to know: it slows down.
        """
        loop = asyncio.get_running_loop()
        runners = [loop.create_task(self._run()) for _ in range(min(concurrency, len(self._lines)))]
        timers = [
            loop.call_later(self._time_left.until_last_start_s, self._give_back),
            loop.call_later(self._time_left.until_pause_s, self._pause),
            loop.call_later(self._time_left.until_stop_s, self._stop),
        ]
        _, late = await asyncio.wait(runners, timeout=self._until_answer_s)
        for timer in timers:
            timer.cancel()
        for runner in late:
            runner.cancel()
        if late:
            await asyncio.wait(late)  # each says what it leaves
        self._give_back()
        if self._backs:  # thousands take a while
            await asyncio.wait(self._backs, timeout=self._time_left.until_stop_s or self._until_answer_s)
        for back in self._backs:
            back.cancel()  # what it had no time for comes again by itself
        if self._error is not None and not self.gone:
            raise self._error

    async def _run(self) -> None:
        while self._lines:
            await self._run_line(self._lines.popleft())

    async def _run_line(self, line: deque[Record]) -> None:
        """One message, or those of a group: the first that stays keeps the others waiting."""
        while line:
            if not self._time_left.is_worth_a_start:
                break
            record = line.popleft()
            try:
                is_gone = await self._run_one(record)
            except QueueError as error:
                log.warning("message %s of SQS is not run: %s; it comes again", record.id, error)
                self._error, is_gone = error, False
            except Exception:
                log.exception("message %s of SQS could not be run: a defect of twolane's own", record.id)
                is_gone = False
            if not is_gone:
                break
            self.gone.add(record.id)
        self._unstarted += line

    async def _run_one(self, record: Record) -> bool:
        """Whether it is done with."""
        lease_s, until = self._time_left.left_s + MARGIN_S, self._around.clock.now() + self._until_answer_s
        entry = HandOut(self._worker, (record.arrived,), lease_s, until)
        [handed] = await self._around.batcher.ask(entry)
        if isinstance(handed, NotHandedOut):
            return handed.gone
        return await self._deliver(handed)

    async def _deliver(self, delivery: Delivery) -> bool:
        hold = Hold(delivery)
        hold.began_late = self._time_left.is_mostly_over

        def over(ran: Ran | None) -> None:
            self._holds.pop(delivery.receipt, None)
            if ran is not None and ran.stuck:
                log.error(
                    "%s %s does not end when told to: its thread goes on in this sandbox, beside what comes next",
                    delivery.task, delivery.id,
                )  # fmt: skip

        self._holds[delivery.receipt] = hold
        tries = max(1, min(SETTLE_TRIES, int(self._time_left.left_s)))
        try:
            delivered = await deliver(hold, self._around, over=over, tries=tries)
        except asyncio.CancelledError:
            log.warning(
                "%s %s attempt %d is left: the answer of this invocation goes before it is settled, and it comes again",
                delivery.task, delivery.id, delivery.attempt,
            )  # fmt: skip
            raise
        self.deaths += delivered.died
        return delivered.settled.gone

    @property
    def _until_answer_s(self) -> float:
        return max(0.0, self._time_left.left_s - ANSWER_S)

    def _give_back(self) -> None:
        """What nobody will start can be run elsewhere at once."""
        unstarted = self._unstarted + [record for line in self._lines for record in line]
        self._lines.clear()
        self._unstarted = []
        if unstarted:
            back = put_back([record.arrived for record in unstarted], self._around.batcher)
            self._backs.append(asyncio.get_running_loop().create_task(back))

    def _pause(self) -> None:
        """What runs is to end at its next checkpoint, and goes on in another invocation."""
        for hold in list(self._holds.values()):
            hold.pause()

    def _stop(self) -> None:
        for hold in list(self._holds.values()):
            hold.interrupt("out_of_time")


def _lines(records: Sequence[Record]) -> deque[deque[Record]]:
    """What must run one after another: a message group's messages; all others are lines of one."""
    lines: deque[deque[Record]] = deque()
    groups: dict[tuple[str, str], deque[Record]] = {}
    for record in records:
        if record.line is not None and record.line in groups:
            groups[record.line].append(record)
            continue
        lines.append(deque([record]))
        if record.line is not None:
            groups[record.line] = lines[-1]
    return lines
