"""A queue that something is wrong with, and real processes that watch it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

from tests.forks import ROOT, start
from tests.waiting import until
from twolane.backends.sqlite import SqliteQueue, SqliteRecords
from twolane.contracts.queue import DeadLetterDelivery, Entry, Outgoing, Receive, Send
from twolane.contracts.watch import LeadWatch, ObserveConditions
from twolane.values.condition import Kind, Phase, Standing, WatchState
from twolane.values.outcome import Failure, Reason
from twolane.wiring.clock import SystemClock

DEADLINE_S = 60.0
CLOCK = SystemClock()


class Watched:
    """A queue in a folder of its own, read from outside."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "queue.db"
        self.records = SqliteRecords(self.path, CLOCK)

    def flush(self, *entries: Entry[Any]) -> list[Any]:
        queue = SqliteQueue(self.path, clock=CLOCK)
        try:
            answers = queue.flush(entries)
        finally:
            queue.close()
        assert not [each for each in answers if isinstance(each, Exception)]
        return answers

    def bury(self) -> None:
        """A dead letter that has waited for two days, and was seen for an hour: it is to be told at once."""
        self.let_die()
        self.have_seen(Kind.DEAD_LETTERS)

    def let_die(self) -> None:
        """A dead letter that has waited for two days."""
        now = CLOCK.now()
        self.flush(Send((Outgoing("m1", "imports", "work", "{}", "d", now),)))
        [[delivery]] = self.flush(Receive("w", ("imports",), None, 1, 60.0))
        failure = Failure("ValueError", "no", "", now, now)
        self.flush(DeadLetterDelivery(delivery.receipt, Reason.GAVE_UP, failure))
        with sqlite3.connect(self.path) as shell:
            shell.execute("UPDATE messages SET finished_at = finished_at - 172800")
        shell.close()

    def send(self, message_id: str = "m2") -> None:
        self.flush(Send((Outgoing(message_id, "imports", "work", "{}", "d", CLOCK.now()),)))

    def have_seen(self, kind: Kind, subject: str = "") -> None:
        """As if a watch had seen it for an hour, and then stopped."""
        now = CLOCK.now()
        pending = Standing(kind, subject, Phase.PENDING, now - 3600)
        self.flush(
            LeadWatch("before", 20.0), ObserveConditions("before", 0.0, looked_at=now, changed=(pending,))
        )

    def make_old(self, kind: Kind) -> None:
        """What is pending was seen for an hour, so that it is told at the next look."""

        def is_old() -> int:
            with sqlite3.connect(self.path) as shell:
                changed = shell.execute("UPDATE conditions SET since = since - 3600 WHERE kind = ?", (kind,))
            shell.close()
            return changed.rowcount

        until(is_old, f"{kind} is seen")

    @property
    def state(self) -> WatchState:
        return self.records.watch_state()

    def told(self) -> list[str]:
        """The titles of the notices that were ever owed."""
        return [each.notice.title for each in self.records.owed(0, whole=100).first if each.notice]


class Process:
    """A process that watches, and what it logs.

    Args:
        folder: where its log goes.
        command: what runs.
        env: beside the environment of the tests.
    """

    def __init__(self, folder: Path, *command: str, **env: str) -> None:
        self._log = folder / f"log-{time.monotonic_ns()}"
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TWOLANE_")},
            "PYTHONPATH": path,
            "PYTHONUNBUFFERED": "1",
            "TWOLANE_QUEUE": f"sqlite:///{folder / 'queue.db'}",
            **env,
        }
        self.process = start(*command, environment=environment, folder=folder, stdout=self._log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def leads(self) -> bool:
        """Whether the last it said of it is that it leads."""
        said = re.findall(r"this process leads the watch( no more)?", self.log)
        return bool(said) and not said[-1]

    def until_logged(self, words: str, times: int = 1) -> float:
        def said() -> bool:
            assert self.process.poll() is None, f"it ended before {words!r}\n{self.log}"
            return self.log.count(words) >= times

        return until(said, words, told=lambda: self.log)

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and wait; its exit code."""
        self.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def clear_away(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of an answer of a server."""
        found = re.search(r"running on http://[^:]+:(\d+)", self.log)
        assert found is not None
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=DEADLINE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.load(answer)
        finally:
            connection.close()
