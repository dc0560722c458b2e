"""The accounting of a round: what must hold whatever was killed (DESIGN.md section 1)."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Set as AbstractSet
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from twolane.backends.sqlite import SqliteQueue, SqliteRecords
from twolane.contracts.queue import Discard
from twolane.values.message import decode
from twolane.values.record import State
from twolane.wiring.clock import SystemClock

DEATHS = {
    "always_raises": "attempts_exhausted",
    "kills_its_process": "crashed",
    "unreadable": "unreadable",
}


def write_down(file: str, *words: object) -> None:
    """Append one durable line."""
    fd = os.open(Path(os.environ["TWOLANE_KILL_FOLDER"], file), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, (" ".join(map(str, words)) + "\n").encode())
        os.fsync(fd)
    finally:
        os.close(fd)


def lines(folder: Path, name: str) -> list[list[str]]:
    """The words of each whole line of a file."""
    file = folder / name
    text = file.read_text() if file.exists() else ""
    return [line.split() for line in text.split("\n")[:-1]]


def accepted_is_the_sum(records: SqliteRecords) -> None:
    """The ledger's law: accepted = waiting + running + done + cancelled + dead + discarded."""
    stats = records.stats()
    counted = sum(sum(queue.counts.values()) for queue in stats.queues.values())
    assert stats.accepted == counted + sum(stats.pruned.values())


def children_are_stored_with_their_parent(folder: Path) -> dict[str, int]:
    """Each link of a chain that is done has stored what it sends, and no other has; answers how many are in each state."""
    with closing(sqlite3.connect(f"file:{folder / 'queue.db'}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT id, state, parent, body FROM messages JOIN bodies USING (seq)"
        ).fetchall()
    children = Counter(parent for _, _, parent, _ in rows)
    for message_id, state, parent, body in rows:
        message = decode(body)
        assert message.parent == parent
        args = message.args or {}
        sends = (2 if args["twice"] else 1) if args["left"] else 0
        assert children[message_id] == (sends if state == "done" else 0), f"{message_id} is {state}"
    return dict(Counter(state for _, state, _, _ in rows))


def settle_accounts(folder: Path, killed: set[int]) -> dict[str, int]:
    """Check one finished round; answers its figures."""
    if not (folder / "queue.db").exists():  # every process died before it had opened the queue
        assert not lines(folder, "ledger")
        return {"accepted": 0, "dead": 0, "kills": len(killed), "again": 0}
    records = SqliteRecords(folder / "queue.db", SystemClock())
    try:
        return _settle(records, folder, killed)
    finally:
        records.close()


def _settle(records: SqliteRecords, folder: Path, killed: set[int]) -> dict[str, int]:
    accepted_is_the_sum(records)
    stats = records.stats()
    ledger = {words[0]: words[1] for words in lines(folder, "ledger")}
    cancelled = {words[0] for words in lines(folder, "cancelled")}
    for message_id, task in ledger.items():
        record = records.get(message_id)
        assert record is not None, f"LOST: {task} {message_id} was accepted and is nowhere"
        if (reason := DEATHS.get(task)) is not None:
            # Two random kills may meet the same message: the second one, while it runs alone, uses up an attempt.
            allowed = {reason, "crashed"} if record.crashes > 1 else {reason}
            assert record.state is State.DEAD, record
            assert record.reason in allowed, record
        elif message_id in cancelled:
            assert record.state is State.CANCELLED, record
        elif task == "perhaps":
            assert record.state in (State.DONE, State.CANCELLED), record
        else:
            assert record.state is State.DONE, record
    assert stats.accepted >= len(ledger)
    dead = records.list_dead(limit=10_000)
    assert stats.owed_alerts == 0
    assert stats.told_alerts == len(dead), "every death is told"
    for letter in dead:
        assert letter.attempts, f"a dead letter without a word of why: {letter}"
    ran = {words[0] for words in lines(folder, "effects")}
    assert not ran & cancelled, "a message that was cancelled while it waited has run"
    again = duplicates(folder, killed)
    progress(folder)
    _discard_one(records, folder)
    return {"accepted": stats.accepted, "dead": len(dead), "kills": len(killed), "again": again}


def _discard_one(records: SqliteRecords, folder: Path) -> None:
    """A human discards a dead letter: the sum holds, with one discarded."""
    letter = records.list_dead(limit=1)
    if not letter:
        return
    queue = SqliteQueue(folder / "queue.db", clock=SystemClock())
    assert queue.flush([Discard(letter[0].record.id)]) == [State.DISCARDED]
    queue.close()
    accepted_is_the_sum(records)
    discarded = sum(each.counts.get(State.DISCARDED, 0) for each in records.stats().queues.values())
    assert discarded == 1


def duplicates(folder: Path, killed: set[int], lost: AbstractSet[str] = frozenset()) -> int:
    """Each run but a message's last was in a process that was killed, or raised, or its lost lease was told."""
    runs: dict[str, list[tuple[int, int, list[str]]]] = defaultdict(list)
    for message_id, pid, what, attempt in lines(folder, "effects"):
        run = (int(pid), int(attempt))
        if what == "begin":
            runs[message_id].append((*run, []))
        else:  # one process may run two attempts side by side: a lease was lost
            of_run = [events for *each, events in runs[message_id] if tuple(each) == run]
            of_run[-1].append(what)
    again = 0
    for message_id, each in runs.items():
        for pid, _, events in each[:-1]:
            explained = pid in killed or "raised" in events or message_id in lost
            assert explained, f"{message_id} ran again although nothing had happened to process {pid}: {each}"
            again += pid in killed
    return again


def progress(folder: Path, lost: AbstractSet[str] = frozenset()) -> None:
    """A task with checkpoints goes on behind the last one: no step twice but the one under way at a kill.

    Of one whose lease was lost two runs may have gone on side by side for a moment.
    """
    seen: dict[str, list[int]] = defaultdict(list)
    for message_id, number in lines(folder, "steps"):
        seen[message_id].append(int(number))
    for message_id, numbers in seen.items():
        for before, after in pairwise(numbers if message_id not in lost else ()):
            assert after in (before, before + 1), f"{message_id} went from step {before} to {after}"
