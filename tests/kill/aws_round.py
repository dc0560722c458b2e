"""A round on a local AWS: a client, workers that are processes or Lambda functions, and what must hold in the end."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, Protocol

from tests.aws.event_source import event_source
from tests.aws.places import Place
from tests.aws.runtime_api import Function, Settings, function
from tests.aws.servers import Server
from tests.forks import ROOT, Forked, start
from tests.kill.aws_attempts import End, check_attempts, cut_short, holders, lost
from tests.kill.ledger import duplicates, lines, progress
from tests.waiting import until
from twolane.backends.sqs.rows import Row, from_text
from twolane.backends.sqs.sweeping import HIDDEN_S
from twolane.contracts.upkeep import Reap
from twolane.values.outcome import Reason
from twolane.values.record import State
from twolane.wiring.clock import SystemClock

LEASE_S = 4
FUNCTION_S = 5
"""A function's time-out, and how long SQS hides what one has got."""
WITHIN_S = 200.0
LOOK_S = 0.2
SWEEP_S = 1.0
DIES = {
    "always_raises": {Reason.ATTEMPTS_EXHAUSTED, Reason.USED_UP},
    "kills_its_process": {Reason.USED_UP},
    "unreadable": {Reason.UNREADABLE, Reason.USED_UP},
}
"""Why each of them dies. An attempt is also used up by a neighbour that was killed, and by a lease that ended because the
machine was slow: SQS cannot tell. That it was so is checked of each attempt (aws_attempts.py)."""
CODE = """import sys

sys.path.insert(0, {root!r})
import logging
import twolane.aws_lambda
from tests.kill import aws_attempts, aws_parts, parts

logging.getLogger().setLevel("INFO")
parts.tasks.runtime.observer = aws_attempts.note_held
handler = twolane.aws_lambda.handler("tests.kill.parts:tasks")
"""
TOLD = (
    r"(\S+) attempt \d+ \(.*(?:is given back unfinished|goes on from its last checkpoint)"
    r"|(\S+) attempt \d+ is left: "
    r"|(\S+) does not end when told to"
)
"""What a worker says of a message that it has not lost, and that is run again."""


class Workers(Protocol):
    """Who works in a round."""

    def kill_one(self, chance: random.Random) -> None:
        """SIGKILL, if anybody works now."""
        ...

    def keep_up(self) -> None:
        """See that somebody works: who died is replaced."""
        ...

    def died(self) -> set[int]:
        """Who was killed by somebody else: by a task, by itself, by Lambda at the end of its time."""
        ...

    def ends(self) -> list[End]:
        """With whom what they held was lost."""
        ...


def killers(round_: Round) -> dict[int, float]:
    """The processes that have killed themselves, and when: each says so before."""
    return {int(words[0]): float(words[1]) for words in lines(round_.folder, "killed")}


class ProcessWorkers:
    """As many `twolane worker`s, without their parent."""

    def __init__(self, round_: Round, count: int) -> None:
        self._round = round_
        self._running: list[Forked] = []
        self._killed: list[End] = []
        self._reaped: dict[int, float] = {}
        for _ in range(count):
            self.start()

    def start(self, step: str = "never", number: int = 1) -> Forked:
        self._running.append(self._round.start("worker", step, number))
        return self._running[-1]

    def kill_one(self, chance: random.Random) -> None:
        killed = chance.choice(self._running)
        self._running.remove(killed)
        after = time.time()
        self._round.kill(killed)
        self._killed.append(End(killed.pid, 0.0, after, time.time()))

    def died(self) -> set[int]:
        return set(killers(self._round))

    def ends(self) -> list[End]:
        themselves = killers(self._round).items()
        return [*self._killed, *[End(pid, 0.0, at, self._reaped.get(pid, inf)) for pid, at in themselves]]

    def keep_up(self) -> None:
        for worker in [each for each in self._running if each.poll() is not None]:
            self._running.remove(worker)
            code = self._round.reap(worker)
            self._reaped[worker.pid] = time.time()
            # A network so bad that it cannot start is the other reason to end; the parent of a worker starts it again.
            assert code == -signal.SIGKILL if worker.pid in self.died() else code == 1, self._round.tail()
        if not self._running:
            self.start()


class LambdaWorkers:
    """A function and its event source; AWS replaces a sandbox that died by itself.

    A function tells nobody of deaths, since it stands still between two invocations: the app does, in a process that works
    nothing.
    """

    def __init__(self, round_: Round, function: Function) -> None:
        self._round = round_
        self._function = function
        self._swept_at = 0.0
        round_.start("worker", "never", 1, TWOLANE_WORKER="off")

    def kill_one(self, chance: random.Random) -> None:
        found = self._function.busy or self._function.sandboxes
        if found:
            killed = chance.choice(found)
            killed.kill()
            self._round.killed.add(killed.process.pid)

    def keep_up(self) -> None:
        """What the schedule does: number deaths that a kill has left, and end leases."""
        if time.monotonic() - self._swept_at > SWEEP_S:
            self._round.queue.flush([Reap()])
            self._swept_at = time.monotonic()

    def died(self) -> set[int]:
        return set(killers(self._round)) | {each.pid for each in self._function.invoked if each.died}

    def ends(self) -> list[End]:
        return cut_short(self._function.invoked, FUNCTION_S)


class Round:
    """One round in a folder and in queues and a table of its own.

    Args:
        folder: its ledger, effects and log.
        server: where AWS is.
        through: as which the client and the workers see it.
    """

    def __init__(self, folder: Path, server: Server, through: Server) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.killed: set[int] = set()
        self.ends: list[End] = []
        self._alive: list[Forked] = []
        self.cloud = Place(server, visibility_s=FUNCTION_S)
        self.state = self.cloud.state()
        self.records = self.cloud.records(SystemClock())
        self.queue = self.cloud.queue(SystemClock())
        self.environment = {
            **through.environment,
            "TWOLANE_KILL_FOLDER": str(folder),
            "TWOLANE_QUEUE": f"{self.cloud.address}?poll_s=1&lease_s={LEASE_S}",
            "TWOLANE_STATE": f"dynamodb://{self.cloud.name}",
            "TWOLANE_BLOBS": "s3://no-blobs",
            "TWOLANE_ALERTS": "log",
            "TWOLANE_WATCH": "off",
        }

    def start(self, *words: object, **environment: str) -> Forked:
        """Start a client or a worker."""
        environment = {**os.environ, **self.environment, "TWOLANE_WORKER": "in_app", **environment}
        log = self.folder / "log"
        self._alive.append(start("tests.kill.aws_parts", *words, environment=environment, stdout=log))
        return self._alive[-1]

    def kill(self, process: Forked) -> None:
        """SIGKILL, and remember whom."""
        self._alive.remove(process)
        process.kill()
        self.killed.add(process.pid)

    def reap(self, process: Forked) -> int:
        """The exit code of one that has ended."""
        self._alive.remove(process)
        return process.wait()

    @contextmanager
    def lambdas(self) -> Iterator[LambdaWorkers]:
        """A function that runs what waits."""
        code = self.folder / "function"
        code.mkdir()
        (code / "worker.py").write_text(CODE.format(root=str(ROOT)))
        settings = Settings("worker.handler", code, self.environment, timeout_s=FUNCTION_S, init_s=WITHIN_S)
        with (
            function(settings, self.folder / "log") as made,
            event_source(made, self.cloud.sqs.client, self.cloud.urls["default"], max_concurrency=2),
        ):
            yield LambdaWorkers(self, made)

    def until_written(self, name: str, least: int) -> None:
        """Wait until the processes have written so many lines."""
        until(
            lambda: len(lines(self.folder, name)) >= least, f"{least} lines of {name}", WITHIN_S,
            told=self.tail, look_s=0.01,
        )  # fmt: skip

    # The end

    def finish(self, workers: Workers, *, all_sent: bool) -> None:
        """Wait until nothing waits or runs, everything is told and SQS is empty."""
        why: str | None = ""

        def is_over() -> bool:
            nonlocal why
            if (why := self._unfinished(all_sent=all_sent)) is not None:
                workers.keep_up()
            return why is None

        until(is_over, "all is over", WITHIN_S, told=lambda: f"{why}\n{self.tail()}", look_s=LOOK_S)
        self.killed |= workers.died()
        self.ends = workers.ends()

    def _unfinished(self, *, all_sent: bool) -> str | None:
        if all_sent and not (self.folder / "sent").exists():
            return "not all is sent"
        counted = Counter(self.cloud.counts("default"))
        if counted.total():
            return f"SQS: {counted}"  # most looks end here: below, the table is read from end to end
        rows = self.rows()
        open_ = [row for row in rows.values() if row.is_open]
        if not all_sent:
            self._bring_back(open_)
        if open_:
            return f"open: {[(row.record.id, row.record.task, row.record.state) for row in open_]}"
        telling = self.records.telling()
        dead = sum(row.record.state is State.DEAD for row in rows.values())
        if not telling.told == telling.last == dead:
            return f"{dead} dead, {telling.last} owed, {telling.told} told"
        return None

    def _bring_back(self, waiting: list[Row]) -> None:
        """A client was killed between a row and SQS: nobody was told yes, and a sweep brings the row's message to SQS."""
        accepted = {words[0] for words in lines(self.folder, "ledger")}
        for row in waiting:
            assert row.record.id not in accepted, (
                f"LOST: {row.record.id} was accepted, and SQS does not have it"
            )
        if waiting:
            self.queue.sweep(("default",))

    def rows(self) -> dict[str, Row]:
        """Every message there is, by its id: the table read from end to end."""
        found = [from_text(item.text) for item in self.state.scan("message/")]
        return {row.record.id: row for row in found}

    def tail(self) -> str:
        """The end of what the processes wrote."""
        log = self.folder / "log"
        return log.read_text(errors="replace")[-4000:] if log.exists() else ""

    def accounts(self) -> dict[str, int]:
        """What must hold, whatever was killed and whatever befell the network; answers the round's figures."""
        rows = self.rows()
        ledger = {words[0]: words[1] for words in lines(self.folder, "ledger")}
        cancelled = {words[0] for words in lines(self.folder, "cancelled")}
        refused = {words[0] for words in lines(self.folder, "refused")}
        for message_id, task in ledger.items():
            assert message_id in rows, f"LOST: {task} {message_id} was accepted and is nowhere"
            self._check(rows[message_id], task, cancelled)
        ran = {words[0] for words in lines(self.folder, "effects")}
        assert not ran & cancelled, "a message that was cancelled while it waited has run"
        assert not refused & (ran | rows.keys()), "a message that was refused is there"
        dead = {row.record.id for row in rows.values() if row.record.state is State.DEAD}
        for each in dead:
            assert rows[each].attempts, f"a dead letter without a word of why: {rows[each]}"
        self._end()
        copies = {copy["dead"]["id"] for copy in self._dead_letters()}
        assert copies == dead, "the dead-letter queue has a copy of each dead letter, and nothing else"
        self._check_attempts(rows)
        told = self._told()
        again = duplicates(self.folder, self.killed, told)
        progress(self.folder, told)
        states = Counter(row.record.state for row in rows.values())
        assert states.total() == sum(states[each] for each in (State.DONE, State.DEAD, State.CANCELLED))
        return {"accepted": len(ledger), "dead": len(dead), "kills": len(self.killed), "again": again}

    def _check(self, row: Row, task: str, cancelled: set[str]) -> None:
        record = row.record
        if task in DIES:
            assert record.state is State.DEAD, record
            assert record.reason in DIES[task], record
        elif record.id in cancelled:
            assert record.state is State.CANCELLED, record
        elif task == "perhaps":
            assert record.state in (State.DONE, State.CANCELLED), record
        else:
            assert record.state is State.DONE, record

    def _check_attempts(self, rows: Mapping[str, Row]) -> None:
        raised = Counter(words[0] for words in lines(self.folder, "effects") if words[2] == "raised")
        held, told = holders(self.folder), lost(self._log())
        for row in rows.values():
            check_attempts(
                row, lease_s=LEASE_S, ends=self.ends, held=held, lost=told, raised=raised[row.record.id]
            )

    def _told(self) -> set[str]:
        """The ids of which a worker has said that it no longer ran or held them: why they may have run again."""
        said = re.findall(TOLD, self._log())
        return lost(self._log()) | {each for groups in said for each in groups if each}

    def _log(self) -> str:
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _dead_letters(self) -> list[dict[str, Any]]:
        """All of the dead-letter queue, taken out."""
        client = self.cloud.sqs.client
        url = client.get_queue_url(QueueName=f"{self.cloud.name}-default-dead")["QueueUrl"]
        # a sweep was looking at the hidden ones: its answer was lost, or it was killed
        until(
            lambda: not self._hidden(url), "no copy in the dead-letter queue is hidden",
            HIDDEN_S + WITHIN_S, look_s=LOOK_S,
        )  # fmt: skip
        found: list[dict[str, Any]] = []
        while came := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"]) for message in came]
        return found

    def _hidden(self, url: str) -> int:
        name = "ApproximateNumberOfMessagesNotVisible"
        answer = self.cloud.sqs.client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def _end(self) -> None:
        """End what still runs: it has nothing left to do, or the round has failed."""
        while self._alive:
            self._alive.pop().kill()

    def close(self) -> None:
        self._end()
        self.queue.close()
        self.cloud.close()


@contextmanager
def a_round(folder: Path, server: Server, through: Server) -> Iterator[Round]:
    """A round whose processes are gone afterwards, whatever happened."""
    made = Round(folder, server, through)
    try:
        yield made
    finally:
        made.close()
