"""Real processes, real SIGKILLs: at random moments, and between every two steps of a delivery."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.forks import Forked, start
from tests.kill.ledger import (
    accepted_is_the_sum,
    children_are_stored_with_their_parent,
    lines,
    settle_accounts,
)
from tests.waiting import until
from twolane.backends.sqlite import SqliteRecords
from twolane.values.errors import QueueMissing
from twolane.values.record import State
from twolane.wiring.clock import SystemClock

PARTS = "tests.kill.parts"
CHAINS = "tests.kill.chains"
ROUNDS = int(os.environ.get("TWOLANE_KILL_ROUNDS", "15"))
SEED = int(os.environ["TWOLANE_KILL_SEED"])
STEPS = ("read", "call", "decide", "settle", "settled")
DEADLINE_S = 100.0


class Round:
    """The processes of one round, in a folder of its own.

    Args:
        folder: that.
        parts: the module that they run.
    """

    def __init__(self, folder: Path, parts: str) -> None:
        self.folder = folder
        self.parts = parts
        self.killed: set[int] = set()
        self.workers: list[Forked] = []

    def start(self, *words: object) -> Forked:
        """Start a client or a worker."""
        environment = {
            **os.environ,
            "TWOLANE_KILL_FOLDER": str(self.folder),
            "TWOLANE_QUEUE": f"sqlite:///{self.folder / 'queue.db'}",
        }
        return start(self.parts, *words, environment=environment, stdout=self.folder / "log")

    def start_worker(self, step: str = "never", number: int = 1) -> Forked:
        """Start a worker that may kill itself at a step."""
        worker = self.start("worker", step, number)
        self.workers.append(worker)
        return worker

    def let_it_die(self, step: str, number: int) -> None:
        """Start a worker that kills itself at a step, and wait until it has."""
        assert self.start("worker", step, number).wait() == -signal.SIGKILL, self.tail()

    def kill(self, process: Forked) -> None:
        """SIGKILL, and remember whom."""
        if process in self.workers:
            self.workers.remove(process)
        process.kill()
        self.killed.add(process.pid)

    def keep_one_up(self) -> None:
        """See that a worker is up: one that died is replaced."""
        for worker in list(self.workers):
            if (code := worker.poll()) is not None:
                self.workers.remove(worker)
                if code == -signal.SIGKILL:
                    self.killed.add(worker.pid)
        if not self.workers:
            self.start_worker()

    def finish(self, *, all_sent: bool) -> None:
        """Wait until nothing waits or runs and everything is told, then stop the workers."""

        def is_over() -> bool:
            if self._is_over(all_sent=all_sent):
                return True
            self.keep_one_up()
            return False

        until(is_over, "all is settled", DEADLINE_S, told=self.tail, look_s=0.05)
        for worker in self.workers:
            worker.terminate()
        while self.workers:
            self.workers.pop().wait()
        self.killed |= {int(words[0]) for words in lines(self.folder, "killed")}

    def tail(self) -> str:
        """The end of what the processes wrote."""
        return (self.folder / "log").read_text()[-4000:]

    def _is_over(self, *, all_sent: bool) -> bool:
        if all_sent and not (self.folder / "sent").exists():
            return False
        records = SqliteRecords(self.folder / "queue.db", SystemClock())
        try:
            stats = records.stats()
            accepted_is_the_sum(records)
        except QueueMissing:  # whoever began it was killed: the next worker makes it
            return False
        finally:
            records.close()
        open_ = sum(
            q.counts.get(State.WAITING, 0) + q.counts.get(State.RUNNING, 0) for q in stats.queues.values()
        )
        return open_ == 0 and stats.owed_alerts == 0


@contextmanager
def a_round(folder: Path, parts: str = PARTS) -> Iterator[Round]:
    """A round whose workers are gone afterwards, whatever happened."""
    made = Round(folder, parts)
    try:
        yield made
    finally:
        while made.workers:
            made.workers.pop().kill()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_random_kills_lose_nothing(number: int, tmp_path: Path) -> None:
    seed = SEED + number
    chance = random.Random(seed)
    print(f"seed {seed}")
    with a_round(tmp_path) as this:
        client = this.start("client", 48)
        for _ in range(chance.choice((1, 2))):
            this.start_worker()
        for _ in range(chance.choice((1, 2))):
            client_dies = chance.random() < 0.25
            time.sleep(chance.uniform(0.0, 0.8))  # the random moment of a kill
            if not client_dies:
                this.kill(chance.choice(this.workers))
            elif client.pid not in this.killed:
                this.kill(client)
            this.keep_one_up()
        client_died = client.pid in this.killed
        assert client_died or client.wait() == 0, this.tail()
        this.finish(all_sent=not client_died)
        print(settle_accounts(tmp_path, this.killed))


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_between_two_steps_of_a_delivery_loses_nothing(step: str, tmp_path: Path) -> None:
    with a_round(tmp_path) as this:
        assert this.start("client", 24).wait() == 0, this.tail()
        for number in (1, 3):
            this.let_it_die(step, number)
        this.finish(all_sent=True)
        print(settle_accounts(tmp_path, this.killed))


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_between_two_steps_of_a_chain_loses_no_child(step: str, tmp_path: Path) -> None:
    """A parent is done, and all it sent is stored; or it is not, and nothing is."""
    chains, each = 3, 1 + 2 * 3  # a head, and two successors with two of their own in a row
    with a_round(tmp_path, CHAINS) as this:
        assert this.start("client", chains).wait() == 0, this.tail()
        for number in (1, 3, 4):
            this.let_it_die(step, number)
            children_are_stored_with_their_parent(tmp_path)
        this.finish(all_sent=False)
    assert children_are_stored_with_their_parent(tmp_path) == {"done": chains * each}
