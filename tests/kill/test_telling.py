"""Real processes that tell, killed at random and between sending and marking; a target that is down, slow, refusing."""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.forks import Forked, start
from tests.inbox import WebInbox, web_inbox
from tests.kill.ledger import lines
from tests.kill.test_kill import ROUNDS, SEED
from tests.waiting import until
from twolane.backends.sqlite import SqliteRecords
from twolane.values.record import State
from twolane.wiring.alert_targets import AppriseTarget
from twolane.wiring.clock import SystemClock

DIGEST_S = 1.0
"""The rounds' minute: the product's window is 60 times as long, its leases about 8 times."""
WITHIN_S = 60.0
COUNT = 60
_ONE = re.compile(r"task (\w+) died: ")
_MANY = re.compile(r"([\d,]+) x (\w+): ")


class Round:
    """The processes of one round over one queue and one inbox."""

    def __init__(self, folder: Path, inbox: WebInbox) -> None:
        self.folder = folder
        self.inbox = inbox
        self.workers: list[Forked] = []
        self.started: list[Forked] = []

    def start(self, *words: object) -> Forked:
        environment = {
            **os.environ,
            "TWOLANE_KILL_FOLDER": str(self.folder),
            "TWOLANE_QUEUE": f"sqlite:///{self.folder / 'queue.db'}",
            "TWOLANE_ALERTS": self.inbox.address,
        }
        process = start("tests.kill.tells", *words, environment=environment, stdout=self.folder / "log")
        self.started.append(process)
        if words[0] == "work":
            self.workers.append(process)
        return process

    def kill(self, process: Forked) -> None:
        process.kill()
        self.started.remove(process)
        self.workers.remove(process)

    def wait(self, process: Forked) -> None:
        """Wait for a process that ends well."""
        self.started.remove(process)
        assert process.wait() == 0, self.tail()

    def until(self, condition: str, within_s: float = WITHIN_S) -> None:
        """Wait for a property of this round to hold."""
        until(lambda: getattr(self, condition), condition, within_s, told=self.tail)

    @property
    def sent(self) -> bool:
        return (self.folder / "sent").exists()

    @property
    def told(self) -> bool:
        """All is dead, and every target has accepted all that is owed; a slow round has notices of the watch, too."""
        if not self.sent:
            return False
        records = SqliteRecords(self.folder / "queue.db", SystemClock())
        try:
            dead = records.stats().queues["default"].counts[State.DEAD]
            telling = records.telling()
            names = {row.id for row in telling.targets}
            return (
                dead == COUNT
                and telling.told == telling.last >= COUNT
                and {AppriseTarget(self.inbox.address).id, "log"} < names
            )
        finally:
            records.close()

    def logged(self) -> list[str]:
        """What stands in the boxes of the log, line by line."""
        lines = (self.folder / "log").read_text().splitlines()
        return [line[2:] for line in lines if line.startswith("| ")]

    def tail(self) -> str:
        log = self.folder / "log"
        return log.read_text()[-4000:] if log.exists() else ""


@contextmanager
def a_round(folder: Path) -> Iterator[Round]:
    with web_inbox() as inbox:
        made = Round(folder, inbox)
        try:
            yield made
        finally:
            for process in made.started:
                process.kill()


def deaths_in(told: Iterable[str]) -> Counter[str]:
    """How many deaths of each task the lines of messages speak of, one by one and in digests."""
    deaths: Counter[str] = Counter()
    for line in told:
        if found := _ONE.match(line):
            deaths[found[1]] += 1
        elif found := _MANY.match(line):
            deaths[found[2]] += int(found[1].replace(",", ""))
    return deaths


def most_in_a_window(times: list[float]) -> int:
    return max((sum(at <= other < at + DIGEST_S * 0.95 for other in times) for at in times), default=0)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_every_death_is_told_whoever_is_killed(number: int, tmp_path: Path) -> None:
    seed = SEED + number
    chance = random.Random(seed)
    print(f"seed {seed}")
    with a_round(tmp_path) as this:
        inbox = this.inbox
        inbox.status = chance.choice((200, 200, 429, 500, 0))
        sender = this.start("send", COUNT, seed)
        for _ in range(chance.choice((1, 2))):
            this.start("work")
        for _ in range(chance.choice((1, 2, 3))):
            time.sleep(chance.uniform(0.05, 1.0))  # the random moment of a kill
            if chance.random() < 0.5:
                inbox.until(
                    1, WITHIN_S
                )  # the moment at which an alert has come, and perhaps is not marked yet
            this.kill(chance.choice(this.workers))
            if not this.workers or chance.random() < 0.5:
                this.start("work")
        if not this.workers:
            this.start("work")
        this.until("sent")
        this.wait(sender)
        inbox.answer_from_now_on(200)
        up_at = time.monotonic()
        this.until("told")
        took_s = time.monotonic() - up_at
        ledger = dict(lines(tmp_path, "ledger"))
        hooked = {words[0] for words in lines(tmp_path, "hooked")}
        logged = deaths_in(this.logged())
    assert len(ledger) == COUNT
    assert hooked == ledger.keys(), "a hook hears of each death, at least once"
    died = Counter(ledger.values())
    sent = deaths_in(line for text in inbox.texts() for line in text.splitlines())
    assert sent >= died, "UNTOLD by the inbox"
    assert logged >= died, "UNTOLD by the log"
    assert most_in_a_window([at for at, _ in inbox.heard]) <= 3
    assert took_s <= WITHIN_S
    print(f"{len(inbox.heard)} messages for {COUNT} deaths, all told {took_s:.1f} s after the target was up")


def test_a_kill_between_sending_and_marking_tells_twice_not_never(tmp_path: Path) -> None:
    """The inbox has taken the alert, its answer never reaches the teller: that one is killed meanwhile."""
    with a_round(tmp_path) as this:
        this.inbox.status = 0
        worker = this.start("work")
        this.wait(this.start("send", COUNT, 1))
        this.inbox.until(1)
        this.kill(worker)
        this.inbox.answer_from_now_on(200)
        this.start("work")
        this.until("told")
    assert len(this.inbox.heard) >= 2
    assert len(this.inbox.arrived) >= 1
