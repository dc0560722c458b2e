"""Freeing what nobody runs any more: `Reap`.

A dead worker's deliveries become suspects: they run again alone. Only a crash while alone, without
progress of the checkpoint since the crash before, uses up an attempt, so that innocent neighbours of a
task that kills its process don't pay. A lease that expired in a live worker's hands uses up one.
"""

from __future__ import annotations

from twolane.backends.sqlite.transaction import Transaction
from twolane.backends.sqlite.transitions import bury, give_back, note_attempt
from twolane.backends.sqlite.workers import RUNNING_OF_WORKER
from twolane.contracts.upkeep import Reap, Reaped
from twolane.values.outcome import Failure, Reason
from twolane.values.policy import MAX_CRASHES

SUSPECTS = "SELECT count(*) FROM messages WHERE state = 'waiting' AND suspect = 1 AND visible_at <= ?"

EXPIRED = "SELECT seq, started_at, attempt >= max_attempts FROM messages WHERE state = 'running' AND visible_at <= ?"


def reap(tx: Transaction, entry: Reap) -> Reaped:
    """Free what dead workers held, then what expired leases hid."""
    del entry
    listed = tx.connection.execute("SELECT id FROM workers").fetchall()
    dead = tuple([worker for (worker,) in listed if not tx.liveness.lives(worker)])
    fates = [fate for worker in dead for fate in _free_crashed(tx, worker)]
    fates += _free_expired(tx)
    tx.after_commit += [tx.liveness.sweep, tx.notifier.sweep]
    buried = sum(fates)
    (suspects,) = tx.connection.execute(SUSPECTS, (tx.now,)).fetchone()
    return Reaped(dead, freed=len(fates) - buried, buried=buried, suspects=suspects)


def _free_crashed(tx: Transaction, worker: str) -> list[bool]:
    held = tx.connection.execute(RUNNING_OF_WORKER, (worker,)).fetchall()
    tx.connection.execute("DELETE FROM workers WHERE id = ?", (worker,))
    return [_crash(tx, seq, worker) for (seq,) in held]


def _crash(tx: Transaction, seq: int, worker: str) -> bool:
    """Carry out what a crash means for one message; whether it was buried."""
    started_at, attempts_used_up, guilty, crashes = tx.connection.execute(
        """
        SELECT started_at, attempt >= max_attempts, alone AND cursor IS crash_cursor, crashes + 1
        FROM messages WHERE seq = ?
        """,
        (seq,),
    ).fetchone()
    text = f"the process of worker {worker} died during this attempt"
    note_attempt(tx, seq, "crashed", _failure(tx, "ProcessDied", text, started_at))
    tx.connection.execute(
        "UPDATE messages SET crashes = ?, crash_cursor = cursor WHERE seq = ?", (crashes, seq)
    )
    if crashes >= MAX_CRASHES or (guilty and attempts_used_up):
        bury(tx, seq, Reason.CRASHED)
        return True
    give_back(tx, seq, visible_at=tx.now, charge=bool(guilty), suspect=True)
    return False


def _free_expired(tx: Transaction) -> list[bool]:
    expired = tx.connection.execute(EXPIRED, (tx.now,)).fetchall()
    for seq, started_at, attempts_used_up in expired:
        text = "the lease ran out before the delivery was settled"
        note_attempt(tx, seq, "lease_expired", _failure(tx, "LeaseExpired", text, started_at))
        if attempts_used_up:
            bury(tx, seq, Reason.USED_UP)
        else:
            give_back(tx, seq, visible_at=tx.now, charge=True)
    return [bool(attempts_used_up) for *_, attempts_used_up in expired]


def _failure(tx: Transaction, error_type: str, message: str, started_at: float | None) -> Failure:
    return Failure(error_type, message, started_at=started_at or tx.now, ended_at=tx.now)
