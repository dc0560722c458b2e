"""The watch's side of the queue: `LeadWatch`, `ObserveConditions`, `Probe`, and what the watch looks at.

Every look is a constant number of statements, and none of them scans: neither what waits nor what is
finished is read, only counters, the ends of indexes, and some rows a task name.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

from twolane.backends.sqlite.alerts import owe_notice
from twolane.backends.sqlite.liveness import Liveness
from twolane.backends.sqlite.rates import Rates
from twolane.backends.sqlite.receiving import WAITING_NAMES
from twolane.backends.sqlite.transaction import Transaction
from twolane.backends.sqlite.transitions import storable
from twolane.backends.sqlite.workers import listed_workers
from twolane.contracts.outbox import OweNotice
from twolane.contracts.watch import LeadWatch, ObserveConditions, Probe
from twolane.values.condition import Phase, Standing, WatchState
from twolane.values.snapshot import Backlog, Snapshot
from twolane.values.telling import LIVE_S

_LED = "SELECT leader, renewed_at, until, looked_at FROM watch"
_STANDINGS = "SELECT kind, subject, phase, since, title, told_at, clear_since, times, level FROM conditions"
_COUNTS = "SELECT queue, state, kept FROM counts WHERE state IN ('waiting', 'dead') AND kept > 0"
_READY = f"""
    {WAITING_NAMES}
    SELECT names.queue, min((
        SELECT min(visible_at) FROM messages AS m
        WHERE state = 'waiting' AND m.queue = names.queue AND m.task = names.task AND m.suspect = flags.value
            AND m.visible_at <= :now
    ))
    FROM names CROSS JOIN json_each('[0, 1]') AS flags
    WHERE names.task IS NOT NULL GROUP BY names.queue
"""  # noqa: S608
"""Since when something waits that could be received, by queue: two seeks a task name."""

_OLDEST_DEAD = "SELECT min(finished_at) FROM messages WHERE state = 'dead' AND finished_at IS NOT NULL"
_UNSENT = """
    SELECT name, seen_at, (
        SELECT owed_at FROM outbox WHERE number > told_to ORDER BY number LIMIT 1
    )
    FROM targets
"""


def lead_watch(tx: Transaction, entry: LeadWatch) -> bool:
    """Take the lease if it is free."""
    state = _led(tx.connection)
    if state.is_led(tx.now):
        return state.leader == entry.leader
    tx.connection.execute(
        "UPDATE watch SET leader = ?, renewed_at = ?, until = ?",
        (entry.leader, tx.now, tx.now + entry.lease_s),
    )
    return True


def observe_conditions(tx: Transaction, entry: ObserveConditions) -> bool:
    """All of it, if the lease still holds."""
    state = _led(tx.connection)
    if state.leader != entry.leader or not state.is_led(tx.now):
        return False
    tx.connection.execute(
        "UPDATE watch SET renewed_at = ?, until = ?, looked_at = coalesce(?, looked_at)",
        (tx.now, tx.now + entry.lease_s, entry.looked_at),
    )
    tx.connection.executemany(
        "INSERT OR REPLACE INTO conditions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(storable(each.name), *_row(each)) for each in entry.changed],
    )
    tx.connection.executemany("DELETE FROM conditions WHERE name = ?", [(name,) for name in entry.gone])
    for notice in entry.notices:
        owe_notice(tx, OweNotice(notice.key, notice.title, notice.body))
    return True


def probe(tx: Transaction, entry: Probe) -> None:
    """Write the time."""
    del entry
    tx.connection.execute("UPDATE watch SET probed_at = ?", (tx.now,))


def watch_state(connection: sqlite3.Connection) -> WatchState:
    """What the watch knows."""
    led = _led(connection)
    standings = [
        Standing(kind, subject, Phase(phase), *rest)
        for kind, subject, phase, *rest in connection.execute(_STANDINGS)
    ]
    standings.sort(key=lambda each: (each.kind, each.subject))
    return replace(led, standings=tuple(standings))


def snapshot(connection: sqlite3.Connection, now: float, liveness: Liveness, rates: Rates) -> Snapshot:
    """The whole at this moment, but for what lies outside of the database."""
    counts = connection.execute(_COUNTS).fetchall()
    waiting = {queue: kept for queue, state, kept in counts if state == "waiting"}
    ready = dict(connection.execute(_READY, {"queues": json.dumps(list(waiting)), "now": now}).fetchall())
    (dead_since,) = connection.execute(_OLDEST_DEAD).fetchone()
    return Snapshot(
        backlogs={queue: Backlog(kept, ready.get(queue)) for queue, kept in waiting.items()},
        workers=tuple([worker for worker in listed_workers(connection) if liveness.lives(worker.id)]),
        dead=sum(kept for _, state, kept in counts if state == "dead"),
        dead_since=dead_since,
        unsent=_unsent(connection),
        tallies=rates.tallies(connection, now),
        state=watch_state(connection),
    )


def _unsent(connection: sqlite3.Connection) -> dict[str, float]:
    """Since when each target that is served owes its oldest alert; of two with one name the older."""
    found = connection.execute(_UNSENT).fetchall()
    newest = max((seen_at for _, seen_at, _ in found), default=0.0)
    unsent: dict[str, float] = {}
    for name, seen_at, since in found:
        if since is not None and newest - seen_at <= LIVE_S:
            unsent[name] = min(since, unsent.get(name, since))
    return unsent


def _led(connection: sqlite3.Connection) -> WatchState:
    """Who leads; nothing of what stands."""
    return WatchState(*connection.execute(_LED).fetchone())


def _row(each: Standing) -> tuple[object, ...]:
    return (
        each.kind,
        storable(each.subject),
        each.phase,
        each.since,
        storable(each.title),
        each.told_at,
        each.clear_since,
        each.times,
        each.level,
    )
