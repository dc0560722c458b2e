"""The story: subscribers, an import, three kills in the middle of it, three messages that end badly."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from functools import partial

from twolane.cli.demo.accounts import Death, Kill, Outcome, count_rows
from twolane.cli.demo.failure import DemoFailed
from twolane.cli.demo.processes import is_gone
from twolane.cli.demo.stage import Stage
from twolane.contracts.queue import Outgoing, Send
from twolane.values.record import ENDED, DeadLetter, Record, State

KILLS = 3
SUBSCRIBERS = ("ada@example.org", "grace@example.org", "katherine@example.org")
LEAST_ROWS = 20_000
"""With fewer the import is over before anybody can kill its worker three times."""
CHUNK_S = 0.05
"""About how long a chunk takes: a kill falls anywhere between two checkpoints."""
END_S = 90.0
FIRST, LAST = 0.05, 0.75
"""The kills fall into this part of the file, so that there is something before and behind each."""


def tell(stage: Stage) -> Outcome:
    """Play the story.

    Raises:
        DemoFailed: something did not happen in time.
    """
    targets = random_rows(len(stage.ends), stage.chance)
    client = stage.client
    stage.report.say(f"the app listens; {stage.place.introduced(stage.processes, stage.records)}")
    for email in SUBSCRIBERS:
        client.post_form("/subscribe", email=email)
    began = time.monotonic()
    import_id: str = client.upload("/imports", stage.file.path)["id"]
    took_s = time.monotonic() - began
    stage.report.say(f"202 after {took_s:.2f} s: an import of {len(stage.ends):,} rows can no longer vanish")
    kills = _kill_at(stage, import_id, targets)
    ids = [import_id, *_send_what_ends_badly(stage)]
    _watch_to_the_end(stage, ids)
    return _outcome(stage, ids, kills)


def random_rows(rows: int, chance: random.Random) -> list[int]:
    """Behind which rows the worker is killed: at least a tenth of the file apart.

    Raises:
        DemoFailed: the file is imported too quickly for that.
    """
    if rows < LEAST_ROWS:
        raise DemoFailed(
            f"the file has {rows:,} rows; the demo needs {LEAST_ROWS:,} to kill its worker amid them"
        )
    gap = rows // 10
    first, last = int(rows * FIRST), int(rows * LAST) - gap * (KILLS - 1)
    return [row + gap * number for number, row in enumerate(sorted(chance.sample(range(first, last), KILLS)))]


def _kill_at(stage: Stage, import_id: str, targets: Sequence[int]) -> list[Kill]:
    kills: list[Kill] = []
    for row in targets:
        stage.processes.until(partial(_passed, stage, import_id, row), f"the import to pass row {row:,}")
        time.sleep(stage.chance.uniform(0, CHUNK_S))
        at_work = stage.processes.until(partial(_at_work, stage, import_id), "a worker")
        if isinstance(at_work, int):  # else the accounts say that a kill is missing
            kills.append(_kill(stage, import_id, at_work, row))
    return kills


def _passed(stage: Stage, import_id: str, row: int) -> bool:
    record = stage.look_at_import(import_id)
    return record.state is State.DONE or (record.done or 0) >= stage.ends.bytes_of(row)


def _at_work(stage: Stage, import_id: str) -> int | State | None:
    """The process that runs the import; DONE: it is over; None: nobody just now, as on AWS between two invocations."""
    return State.DONE if stage.record(import_id).state is State.DONE else stage.worker_pid()


def _kill(stage: Stage, import_id: str, pid: int, row: int) -> Kill:
    os.kill(pid, signal.SIGKILL)
    stage.processes.until(lambda: is_gone(pid), f"process {pid} to die")
    began = time.monotonic()
    killed, stored_rows = stage.record(import_id), stage.stored_rows()
    stage.processes.until(lambda: goes_on(killed, stage.record(import_id)), "the import to go on")
    took_s = time.monotonic() - began
    kill = Kill(pid, row, stored_rows, stage.progress(import_id)["resumed_at_row"] or 0)
    stage.report.say(f"kill -9 behind row {row:,}; resumed at row {kill.resumed_from:,} after {took_s:.1f} s")
    return kill


def goes_on(killed: Record, now: Record) -> bool:
    """Whether a worker has taken up an import again: it came further, or ended, as it does if all but that was done."""
    return now.state in ENDED or (now.done or 0) > (killed.done or 0)


def _send_what_ends_badly(stage: Stage) -> list[str]:
    """One body that is no envelope, past every check of ours, and the tasks that go wrong."""
    runtime = stage.runtime
    unreadable = Outgoing(
        id=runtime.new_id(),
        queue="default",
        task="",
        body="this is no envelope",
        digest="",
        sent_at=runtime.clock.now(),
    )
    runtime.batcher.ask_blocking(Send((unreadable,)))
    names = [task for task, _ in stage.place.deaths if task]
    stage.report.say(f"beside it: an unreadable body, {' and '.join(names)}")
    bad = [task for task in runtime.registry.queue_tasks() if task.name in names]
    return [unreadable.id, *(runtime.send_blocking(task, (), {}).id for task in bad)]


def _watch_to_the_end(stage: Stage, ids: Sequence[str]) -> None:
    """Wait until there is nothing left to wait for; if that does not come, the accounts will not add up."""

    def ended() -> bool:
        stage.look_at_import(ids[0])
        states = [stage.record(each).state for each in ids]
        if {State.WAITING, State.RUNNING}.intersection(states) or stage.welcome_mails() < len(SUBSCRIBERS):
            return False
        return stage.records.stats().told_alerts >= states.count(State.DEAD) and not stage.place.left(
            _deaths(stage)
        )

    try:
        stage.processes.until(ended, "the import and all the rest to end", within_s=END_S)
    except DemoFailed as failure:
        stage.report.warn(str(failure))


def _outcome(stage: Stage, ids: Sequence[str], kills: Sequence[Kill]) -> Outcome:
    records = {each: stage.records.get(each) for each in ids}
    progress, deaths, stats = stage.progress(ids[0]), _deaths(stage), stage.records.stats()
    stage.report.show(progress)
    return Outcome(
        count=count_rows(stage.file.path, stage.database, ids[0]),
        bad_lines=stage.file.bad_lines,
        states={each: None if record is None else str(record.state) for each, record in records.items()},
        import_id=ids[0],
        kills=kills,
        deaths=deaths,
        alerts=stats.told_alerts,
        subscribed=len(SUBSCRIBERS),
        welcomed=stage.welcome_mails(),
        shown_rows=progress["rows"],
        accepted=stats.accepted,
        left=stage.place.left(deaths),
        expected=stage.place.deaths,
    )


def _deaths(stage: Stage) -> list[Death]:
    return [_death(letter) for letter in reversed(stage.records.list_dead())]


def _death(letter: DeadLetter) -> Death:
    record = letter.record
    failure = letter.attempts[-1].failure if letter.attempts else None
    error = f"{failure.error_type}: {failure.message}" if failure else ""
    return Death(record.id, record.task, str(record.reason), record.deliveries, error)
