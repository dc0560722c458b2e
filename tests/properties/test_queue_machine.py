"""Memory and SQLite side by side: the same entries at the same time get the same answers.

Each worker runs one delivery at a time, and no two messages become visible at the same moment, so that both
queues have the same choice in what they hand out first (which no law promises).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from tests.clock import FakeClock
from tests.contract.house import FAILURE, House, InMemory, InSqlite
from twolane.contracts.outbox import Act, OweNotice, RegisterTargets, SaveTarget
from twolane.contracts.queue import (
    AckDelivery,
    CancelDelivery,
    CancelMessage,
    DeadLetterDelivery,
    Delivery,
    Discard,
    Entry,
    Extend,
    Outgoing,
    Receive,
    Redrive,
    ReleaseDelivery,
    RetryDelivery,
    SaveCheckpoint,
    Send,
    WaitDelivery,
)
from twolane.contracts.upkeep import Prune, Reap
from twolane.values.letters import Action
from twolane.values.outcome import Reason
from twolane.values.record import DeadLetter, State
from twolane.values.telling import Owed, TargetState

TICK_S = 0.001


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Values of which the first comes more often than all others together."""
    return st.sampled_from([usual] * (2 * len(others)) + list(others))


pauses = mostly(0.0, 5.0, 45_000.0)
cursors = st.sampled_from([None, 1, 2, "two", {"row": [3]}])
settlements: st.SearchStrategy[Callable[[str], Entry[Any]]] = st.one_of(
    st.builds(lambda result: lambda receipt: AckDelivery(receipt, result), st.none() | st.integers()),
    st.builds(lambda after_s: lambda receipt: RetryDelivery(receipt, after_s, FAILURE), pauses),
    st.builds(lambda after_s: lambda receipt: WaitDelivery(receipt, after_s), pauses),
    st.builds(lambda: ReleaseDelivery),
    st.builds(
        lambda reason: lambda receipt: DeadLetterDelivery(receipt, reason, FAILURE, public="p"),
        st.sampled_from(Reason),
    ),
    st.builds(lambda: CancelDelivery),
)
Receipts = tuple[str, str]


class Queues(RuleBasedStateMachine):
    """What happens to one queue happens to the other."""

    ids = Bundle("ids")
    workers = Bundle("workers")
    receipts: Bundle[Receipts] = Bundle("receipts")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.memory = House(InMemory(Path(self.folder.name), self.clock), self.clock)
        self.sqlite = House(InSqlite(Path(self.folder.name), self.clock), self.clock)
        self.houses = (self.memory, self.sqlite)
        self.known: set[str] = set()
        self.started = 0
        self.busy: dict[str, Receipts] = {}
        self.do(Reap())

    def teardown(self) -> None:
        for house in self.houses:
            house.backend.close()
        self.folder.cleanup()

    def do(self, entry: Entry[Any]) -> Any:
        """Carry out one entry that means the same to both."""
        return self.do_each(entry, entry)

    def do_each(self, for_memory: Entry[Any], for_sqlite: Entry[Any]) -> Any:
        [answer] = self.flush([for_memory], [for_sqlite])
        return answer

    def flush(self, for_memory: Sequence[Entry[Any]], for_sqlite: Sequence[Entry[Any]]) -> list[Any]:
        self.clock.advance(TICK_S)
        ones, others = self.memory.try_all(*for_memory), self.sqlite.try_all(*for_sqlite)
        assert list(map(comparable, ones)) == list(map(comparable, others))
        self.last = (ones[-1], others[-1])
        return ones

    # Sending

    @rule(
        target=ids,
        task=mostly("app:one", "app:two", ""),
        queue=mostly("default", "imports"),
        delay_s=mostly(0.0, 10.0),
        max_attempts=st.integers(1, 3),
        unique_key=mostly(None, "k"),
        blobs=st.sampled_from([(), ("b1",), ("b1", "b2")]),
    )
    def send(self, **fields: Any) -> str:
        message = self.memory.outgoing(**fields)
        [sent] = self.do(Send((message,)))
        self.known.add(sent.id)
        return str(sent.id)

    @rule(message_id=ids, digest=st.sampled_from(["d", "other"]))
    def send_again(self, message_id: str, digest: str) -> None:
        self.do(Send((self.memory.outgoing(id=message_id, digest=digest),)))

    @rule(bad=st.sampled_from(["é", "\x00", "x" * (1024 * 1024 + 1)]))
    def send_what_is_refused(self, bad: str) -> None:
        self.do(Send((self.memory.outgoing(), self.memory.outgoing(body=bad))))

    # Workers

    @precondition(lambda self: len(self.busy) < 4)
    @rule(target=workers, tasks=st.sampled_from([("app:one",), ("app:one", "app:two"), ()]))
    def start_worker(self, tasks: tuple[str, ...]) -> str:
        self.clock.advance(TICK_S)
        self.started += 1
        worker = f"w{self.started}"
        for house in self.houses:
            house.register(worker, tasks)
        return worker

    @rule(worker=consumes(workers))
    def stop_worker(self, worker: str) -> None:
        self.clock.advance(TICK_S)
        for house in self.houses:
            house.unregister(worker)
        self.busy.pop(worker, None)

    @rule(worker=consumes(workers))
    def crash_worker(self, worker: str) -> None:
        for house in self.houses:
            house.crash(worker)
        self.busy.pop(worker, None)
        self.do(Reap())

    @rule(
        target=receipts,
        worker=workers,
        queues=mostly(("default", "imports"), ("default",)),
        tasks=mostly(None, ("app:one",), ("app:one", "app:two")),
        idle=mostly(True, False),
        strangers=mostly(False, True),
        lease_s=mostly(30.0, 60.0),
    )
    def receive(self, worker: str, **fields: Any) -> Receipts:
        if worker in self.busy:
            return self.busy[worker]
        return self.held(worker, self.do(Receive(worker, limit=1, **fields)))

    def held(self, worker: str, delivered: tuple[Delivery, ...]) -> Receipts:
        if not delivered:
            return ("stale", "stale")
        [one], [other] = self.last
        self.busy[worker] = (one.receipt, other.receipt)
        return self.busy[worker]

    @rule(
        sends=st.fixed_dictionaries(
            {
                "task": mostly("app:one", "app:two", ""),
                "queue": mostly("default", "imports"),
                "delay_s": mostly(0.0, 10.0),
                "max_attempts": st.integers(1, 3),
                "unique_key": mostly(None, "k"),
                "blobs": st.sampled_from([(), ("b1",), ("b1", "b2")]),
                "body": mostly("{}", "é"),
            }
        ),
        again=mostly(False, True),
        receives=st.fixed_dictionaries(
            {
                "queues": mostly(("default", "imports"), ("default",)),
                "tasks": mostly(("app:one",), ("app:one", "app:two"), None),
                "idle": mostly(True, False),
                "strangers": mostly(False, True),
                "lease_s": mostly(30.0, 60.0),
            }
        ),
        done=st.booleans(),
    )
    def send_beside_a_receive(
        self, sends: dict[str, Any], again: bool, receives: dict[str, Any], done: bool
    ) -> None:
        """In one flush, as an app with a worker of its own makes it: to a worker that does nothing else."""
        worker = self.start_worker(("app:one",))
        stored = {"id": max(self.known)} if again and self.known else {}
        entries = [Send((self.memory.outgoing(**sends, **stored),)), Receive(worker, limit=1, **receives)]
        sent, delivered = self.flush(entries, entries)
        if not isinstance(sent, Exception):
            self.known.add(sent[0].id)
        receipts = self.held(worker, delivered)
        if done:
            self.settle(receipts, AckDelivery)
        self.stop_worker(worker)

    @rule(
        cancelled=mostly(False, True),
        saved=st.lists(cursors, max_size=2),
        ending=st.sampled_from(["settle", "settle", "crash", "stop", "expire"]),
        settle=settlements,
    )
    def run(
        self, cancelled: bool, saved: list[Any], ending: str, settle: Callable[[str], Entry[Any]]
    ) -> None:
        """A delivery from beginning to end, in a worker of its own: what single steps rarely get to."""
        worker = self.start_worker(("app:one",))
        receipts = self.receive(worker, queues=("default", "imports"), tasks=None, lease_s=30.0)
        for cursor in saved:
            self.save_checkpoint(receipts, cursor)
        for message_id in sorted(self.known) if cancelled else ():
            record = self.memory.records.get(message_id)
            if record and record.worker == worker:
                self.cancel(message_id)
        if ending == "settle":
            self.settle(receipts, settle)
        if ending == "expire":
            self.wait(31.0)
        if ending == "crash":
            self.crash_worker(worker)
        else:
            self.stop_worker(worker)

    # Holding and settling, by receipts that are live or stale

    @rule(receipts=receipts, settle=settlements)
    def settle(self, receipts: Receipts, settle: Callable[[str], Entry[Any]]) -> None:
        self.do_each(settle(receipts[0]), settle(receipts[1]))
        self.busy = {worker: held for worker, held in self.busy.items() if held != receipts}

    @rule(receipts=receipts, child_key=st.sampled_from([None, "k"]), bad=st.booleans())
    def ack_with_a_send(self, receipts: Receipts, child_key: str | None, bad: bool) -> None:
        children: tuple[Outgoing, ...] = (self.memory.outgoing(unique_key=child_key),)
        if bad:
            children += (self.memory.outgoing(body="é"),)
        answer = self.do_each(*(AckDelivery(receipt, sends=children) for receipt in receipts))
        if not isinstance(answer, Exception):
            self.busy = {worker: held for worker, held in self.busy.items() if held != receipts}
            self.known.add(children[0].id)

    @rule(receipts=receipts, cursor=cursors)
    def save_checkpoint(self, receipts: Receipts, cursor: Any) -> None:
        self.do_each(*(SaveCheckpoint(receipt, cursor, done=1.0, total=3.0) for receipt in receipts))

    @rule(receipts=receipts, lease_s=st.sampled_from([30.0, 60.0]))
    def extend(self, receipts: Receipts, lease_s: float) -> None:
        self.do_each(*(Extend((receipt, "stale"), lease_s) for receipt in receipts))

    # People

    @rule(message_id=ids)
    def cancel(self, message_id: str) -> None:
        self.do(CancelMessage(message_id))

    @rule(message_id=ids, body=st.sampled_from([None, '{"edited":1}', "é"]))
    def redrive(self, message_id: str, body: str | None) -> None:
        self.do(Redrive(message_id, body, None if body is None else "edited"))

    @rule(message_id=ids)
    def discard(self, message_id: str) -> None:
        self.do(Discard(message_id))

    # Time, alerts, pruning

    @rule(seconds=st.sampled_from([1.0, 10.0, 31.0, 61.0]))
    def wait(self, seconds: float) -> None:
        """Time passes and leases run out, one after another."""
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            running = (self.memory.records.get(message_id) for message_id in self.known)
            ends = [each.visible_at for each in running if each and each.state is State.RUNNING]
            step_s = min([until, *ends]) - self.clock.now()
            self.clock.advance(max(step_s, TICK_S))
            self.do(Reap())

    @rule(names=st.sets(st.sampled_from(["log", "mail", "hook"])))
    def register_targets(self, names: set[str]) -> None:
        self.do(RegisterTargets(tuple((name, name.title()) for name in sorted(names))))

    @rule(who=st.sampled_from(["log", "mail", "hook"]), behind=st.integers(0, 2), stale=st.booleans())
    def save_target(self, who: str, behind: int, stale: bool) -> None:
        telling = self.sqlite.records.telling()
        row = next((row for row in telling.targets if row.id == who), None)
        told_to = max(0, telling.last - behind)
        state = TargetState(told_to, behind, error="busy" if behind else None, sent=(self.clock.now(),))
        self.do(SaveTarget(who, (row.version if row else 0) - stale, state, self.clock.now()))

    @rule(key=st.sampled_from(["disk", "stuck"]))
    def owe_notice(self, key: str) -> None:
        self.do(OweNotice(key, f"the {key}", "body"))

    @rule(number=st.integers(1, 2), first=ids, second=ids, back=st.booleans())
    def act(self, number: int, first: str, second: str, back: bool) -> None:
        verb = Redrive if back else Discard
        self.do(Act(Action(f"a{number}", "ada", "verb", "which"), (verb(first), verb(second))))

    @rule(keep_s=st.sampled_from([0.0, 20.0]))
    def prune(self, keep_s: float) -> None:
        self.do(Prune(keep_s))

    # What always holds

    @invariant()
    def both_tell_the_same(self) -> None:
        one, other = (house.records for house in self.houses)
        for message_id in self.known:
            assert one.get(message_id) == other.get(message_id)
            assert one.body(message_id) == other.body(message_id)
        assert one.stats() == other.stats()
        assert one.snapshot() == other.snapshot()
        assert one.daily_sums(0) == other.daily_sums(0)
        assert comparable(one.list_dead()) == comparable(other.list_dead())
        assert one.blobs_in_use() == other.blobs_in_use()
        assert one.telling() == other.telling()
        assert comparable(one.owed(0, whole=5)) == comparable(other.owed(0, whole=5))
        assert one.dead_groups() == other.dead_groups()
        assert one.actions() == other.actions()
        for queues in (("default",), ("default", "imports"), ()):
            assert self.memory.queue.next_visible_at(
                queues, self.clock.now()
            ) == self.sqlite.queue.next_visible_at(queues, self.clock.now())

    @invariant()
    def nothing_is_lost(self) -> None:
        stats = self.sqlite.records.stats()
        kept = sum(sum(queue.counts.values()) for queue in stats.queues.values())
        assert stats.accepted == kept + sum(stats.pruned.values())
        pruned = sum(self.sqlite.records.get(message_id) is None for message_id in self.known)
        assert stats.accepted - sum(stats.pruned.values()) == len(self.known) - pruned

    @invariant()
    def every_death_is_told_or_owed(self) -> None:
        stats = self.sqlite.records.stats()
        dead = sum(queue.counts[State.DEAD] for queue in stats.queues.values())
        assert dead <= stats.owed_alerts + stats.told_alerts
        owed = self.sqlite.records.owed(stats.told_alerts)
        assert owed.total == owed.up_to - stats.told_alerts, "nothing that is owed was forgotten"


def comparable(answer: Any) -> Any:
    """An answer without what each queue says in its own words: receipts and sentences."""
    if isinstance(answer, Delivery):
        return answer._replace(receipt="")
    if isinstance(answer, (list, tuple)):
        return [comparable(each) for each in answer]
    if isinstance(answer, Exception):
        return "refused"
    if isinstance(answer, Owed):
        first = [(each.number, each.owed_at, comparable(each.letter), each.notice) for each in answer.first]
        kinds = sorted((kind.count, kind.first_at, kind.last_at, kind.task, kind.id) for kind in answer.kinds)
        return answer.up_to, answer.total, kinds, first
    if isinstance(answer, DeadLetter):
        attempts = [(each.number, each.outcome, each.failure.error_type) for each in answer.attempts]
        return answer.record, answer.body, attempts
    return answer


TestQueues = pytest.mark.long(Queues.TestCase)
TestQueues.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
