"""The SQLite queue: many entries, one transaction, one fsync (contracts.queue.Queue).

    write lock -> BEGIN IMMEDIATE -> each entry -> COMMIT (fsync)
               -> checkpoint if due -> unlock -> wake listeners -> answers

An entry that cannot be carried out fails alone: all is rolled back and done again, each entry in a savepoint
of its own. Round all that succeeds, savepoints would cost a fifth of the time.

What an entry does stands in the room of its verb; which room, in `_ROOMS` below.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from twolane.backends.sqlite import (
    actions,
    alerts,
    handing,
    holding,
    letters,
    pruning,
    rates,
    reaping,
    receiving,
    sends,
    settling,
    sums,
    watching,
    workers,
)
from twolane.backends.sqlite.connection import explain
from twolane.backends.sqlite.exits import close_at_exit
from twolane.backends.sqlite.forking import abandon_after_fork, never_close
from twolane.backends.sqlite.liveness import Liveness
from twolane.backends.sqlite.readers import Readers
from twolane.backends.sqlite.records import next_visible_at
from twolane.backends.sqlite.transaction import Transaction
from twolane.backends.sqlite.wake import Listener, Notifier
from twolane.backends.sqlite.writer import Writer
from twolane.contracts import outbox, watch
from twolane.contracts import queue as contract
from twolane.contracts import upkeep as u
from twolane.contracts.clock import Clock
from twolane.values.errors import QueueError, QueueMissing, SendRefused, TwolaneError

MAX_BODY_BYTES = 1024 * 1024

_logger = logging.getLogger("twolane.sqlite")

_ROOMS: dict[type[Any], Callable[[Transaction, Any], Any]] = {
    contract.Send: sends.send,
    contract.Receive: receiving.receive,
    contract.Extend: holding.extend,
    contract.SaveCheckpoint: holding.save_checkpoint,
    contract.AckDelivery: settling.ack,
    contract.RetryDelivery: settling.retry,
    contract.WaitDelivery: settling.wait,
    contract.ReleaseDelivery: settling.release,
    contract.DeadLetterDelivery: settling.die,
    contract.CancelDelivery: settling.cancel,
    contract.CancelMessage: letters.cancel_message,
    contract.Redrive: letters.redrive,
    contract.Discard: letters.discard,
    u.Register: workers.register,
    u.Unregister: workers.unregister,
    u.Reap: reaping.reap,
    outbox.OweNotice: alerts.owe_notice,
    outbox.RegisterTargets: alerts.register_targets,
    outbox.SaveTarget: alerts.save_target,
    outbox.Act: actions.act,
    u.Prune: pruning.prune,
    watch.LeadWatch: watching.lead_watch,
    watch.ObserveConditions: watching.observe_conditions,
    watch.Probe: watching.probe,
}
_ROOMS_FOR_MANY: dict[type[Any], Callable[[Transaction, list[Any]], Sequence[Any]]] = {
    contract.Send: sends.send_all,
    contract.AckDelivery: settling.ack_all,
}
"""All of a kind in a few statements; they raise where one of them has to be treated by itself."""


class SqliteQueue:
    """A queue in one SQLite file, opened at the first flush.

    Args:
        path: where the database lies.
        clock: the time of leases, delays and records.
        create: make the file where there is none.
        max_pages: the largest size in pages of 4 KiB; None: what the disk holds.
    """

    capabilities = contract.Capabilities(
        durable=True, detects_stale=True, release_is_free=True, knows_crashes=True
    )
    max_body_bytes = MAX_BODY_BYTES

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock,
        create: bool = True,
        max_pages: int | None = None,
    ) -> None:
        self.path = Path(path).resolve()
        self._clock = clock
        self._guard = threading.Lock()
        self._writer = Writer(self.path, create=create, max_pages=max_pages)
        self._readers = Readers(self.path)
        self._liveness = Liveness(self.path)
        self._notifier = Notifier(self.path)
        self._listener: Listener | None = None
        self._listening: list[Callable[[], None]] = []
        self._begun: dict[str, tuple[str, float]] = {}
        self._forked = False
        abandon_after_fork(self)
        close_at_exit(self)

    def flush(self, entries: Sequence[contract.Entry[Any]]) -> list[Any]:
        """Carry out entries as one, in order.

        Where the queue cannot even begin, every answer is the reason: nothing happened.

        Raises:
            QueueError: the commit failed; what became of the entries is unknown.
        """
        self._refuse_in_child()
        refused: dict[int, TwolaneError] = {}
        carry_out, counting = partial(_together, entries), True
        with self._guard:
            while True:
                try:
                    connection = self._writer.begin()
                except QueueError as error:
                    return [_refusal(entry, error) for entry in entries]
                tx = Transaction(
                    connection,
                    self._clock.now(),
                    self._liveness,
                    self._notifier,
                    self.max_body_bytes,
                    self._begun,
                )
                try:
                    answers = self._committed(tx, carry_out, counting=counting)
                    break
                except _Uncounted as uncounted:
                    _logger.warning(
                        "%s: the daily sums and failure rates lack a flush: %s", self.path, uncounted
                    )
                    counting = False
                except _Objection:
                    carry_out = partial(self._one_by_one, entries, refused)
                except _GivenUp as given_up:
                    refused |= given_up.refused(entries)
                finally:
                    self._writer.end()
        if tx.made_visible:
            self._wake()
        return answers

    def next_visible_at(self, queues: tuple[str, ...], after: float) -> float | None:
        """When the next waiting message of these queues becomes visible, later than `after`."""
        self._refuse_in_child()
        try:
            return self._readers.read(lambda connection: next_visible_at(connection, queues, after))
        except QueueMissing:
            return None

    def listen(self, on_visible: Callable[[], None]) -> Callable[[], None]:
        """Call `on_visible` after each commit that made something visible, here or in another process."""
        with self._guard:
            self._listening.append(on_visible)
            if self._listener is None:
                try:
                    self._listener = Listener(self.path, self._call_listeners)
                except OSError as error:
                    _logger.warning("no wake-up from other processes, polling instead: %s", error)

        def end() -> None:
            with suppress(ValueError):
                self._listening.remove(on_visible)

        return end

    def close(self) -> None:
        """Close what is open; twice is harmless. Workers that are still registered read as dead."""
        if self._forked:
            return
        with self._guard:
            if self._listener is not None:
                self._listener.close()
                self._listener = None
            self._listening.clear()
            self._readers.close()
            self._liveness.close()
            self._writer.close()
            self._notifier.close()

    def abandon(self) -> None:
        """In a forked child: the parent's connection is left alone, and this queue refuses to be used."""
        self._guard = threading.Lock()
        self._listener = None
        connection = self._writer.abandon()
        if connection is not None:
            never_close(connection)
            self._forked = True

    def _committed(
        self, tx: Transaction, carry_out: Callable[[Transaction], list[Any]], *, counting: bool
    ) -> list[Any]:
        try:
            answers = carry_out(tx)
            if counting:
                _add_counts(tx)
        except (_Objection, _Uncounted):
            self._writer.roll_back()
            raise
        except BaseException:
            self._writer.drop()
            raise
        self._writer.commit()
        for follow in tx.after_commit:
            follow()
        return answers

    def _one_by_one(
        self, entries: Sequence[contract.Entry[Any]], refused: Mapping[int, TwolaneError], tx: Transaction
    ) -> list[Any]:
        answers: list[Any] = []
        try:
            for number, entry in enumerate(entries):
                answers.append(refused[number] if number in refused else self._answer_alone(tx, entry))
        except sqlite3.Error as error:
            raise _GivenUp(len(answers), explain(error, self.path)) from error
        return answers

    def _answer_alone(self, tx: Transaction, entry: contract.Entry[Any]) -> Any:
        following, summed = len(tx.after_commit), sums.copied(tx.sums)
        tx.connection.execute("SAVEPOINT entry")
        try:
            answer = _ROOMS[type(entry)](tx, entry)
        except Exception as error:  # whatever an entry raises is its own answer
            if isinstance(error, sqlite3.Error) and not tx.connection.in_transaction:
                raise
            tx.connection.execute("ROLLBACK TO entry")
            del tx.after_commit[following:]
            tx.sums = summed
            answer = _refusal(entry, error if isinstance(error, TwolaneError) else explain(error, self.path))
        tx.connection.execute("RELEASE entry")
        return answer

    def _wake(self) -> None:
        self._call_listeners()
        self._notifier.notify(self._listener.name if self._listener else None)

    def _call_listeners(self) -> None:
        for on_visible in tuple(self._listening):
            try:
                on_visible()
            except Exception:
                _logger.exception("a listener for visible messages raised")

    def _refuse_in_child(self) -> None:
        if self._forked:
            raise QueueError(
                f"{self.path} was opened before this process was forked, and no connection survives a fork: "
                "nothing was sent; open the queue in the child"
            )


def _together(entries: Sequence[contract.Entry[Any]], tx: Transaction) -> list[Any]:
    answers: list[Any] = []
    try:
        if (both := handing.hand_over(tx, entries)) is not None:
            return both
        for kind, alike in groupby(entries, type):
            if (for_many := _ROOMS_FOR_MANY.get(kind)) is not None:
                answers += for_many(tx, list(alike))
            else:
                answers += [_ROOMS[kind](tx, entry) for entry in alike]
    except Exception as error:
        raise _Objection from error
    return answers


def _add_counts(tx: Transaction) -> None:
    try:
        sums.add(tx)
        rates.add(tx)
    except sqlite3.Error as error:
        raise _Uncounted(str(error)) from error


class _Uncounted(Exception):
    """Sums or rates cannot be written: all goes again without them, since a count is worth no message."""


class _Objection(Exception):
    """An entry cannot be carried out: the others go again, each in a savepoint of its own."""


class _GivenUp(Exception):
    """SQLite gave up the whole transaction, as a full disk makes it: the others have another try without it."""

    def __init__(self, number: int, reason: QueueError) -> None:
        super().__init__(str(reason))
        self._number = number
        self._reason = reason

    def refused(self, entries: Sequence[contract.Entry[Any]]) -> dict[int, TwolaneError]:
        """The entry that it happened to, and the sends after it, which would need room as well."""
        return {
            number: _refusal(entry, self._reason)
            for number, entry in enumerate(entries)
            if number == self._number or (number > self._number and isinstance(entry, contract.Send))
        }


def _refusal(entry: contract.Entry[Any], reason: TwolaneError) -> TwolaneError:
    """The answer of an entry that did not happen."""
    if not isinstance(entry, contract.Send) or isinstance(reason, SendRefused):
        return reason
    refused = SendRefused(f"nothing was stored: {reason}", [message.id for message in entry.messages])
    refused.__cause__ = reason
    return refused
