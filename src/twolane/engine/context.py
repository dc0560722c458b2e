"""What a task of the queue lane may know of its delivery, and the one call that long work makes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from twolane.contracts.queue import Checkpoint, Holding, SaveCheckpoint
from twolane.engine.batcher import Batcher
from twolane.engine.hold import Hold
from twolane.values.errors import Interrupted, QueueError

MAX_CURSOR_BYTES = 64 * 1024
SAVE_TRIES = 30
RETRY_S = 1.0
"""The pause between two tries to store a checkpoint, in seconds."""


class TaskContext:
    """The first parameter of a task that wants to know of its delivery.

    Attributes:
        id: the message's id; the same in every attempt, so that it serves as an idempotency key.
        task: the task's name.
        attempt: the number of this attempt, from 1.
        log: a logger that names the task, the id and the attempt in each line.
    """

    def __init__(
        self,
        *,
        task: str,
        hold: Hold,
        batcher: Batcher,
        loop_thread: int | None,
        new_state: Callable[[], Any] = SimpleNamespace,
        cursor: Any = None,
    ) -> None:
        delivery = hold.delivery
        self.id = delivery.id
        self.task = task
        self.attempt = delivery.attempt
        self.log: logging.LoggerAdapter[logging.Logger] = _TaskLog(task, delivery.id, delivery.attempt)
        self._hold = hold
        self._batcher = batcher
        self._loop_thread = loop_thread
        self._saved = delivery.checkpoint or Checkpoint(cursor)
        self._new_state = new_state

    @cached_property
    def state(self) -> Any:
        """What the app's lifespan yielded, as `request.state` has it: `ctx.state.pool`.

        One for each attempt, shared with its dependencies: what is set on it is gone afterwards. Empty where no
        lifespan ran, as in a worker of a bare `Tasks`.
        """
        return self._new_state()

    @property
    def cursor(self) -> Any:
        """The last checkpoint of this message, from whichever attempt; None: begin at the beginning."""
        return self._saved.cursor

    @property
    def done(self) -> float | None:
        """The last progress reported, in the task's own unit."""
        return self._saved.done

    def checkpoint(self, cursor: Any, *, done: float | None = None, total: float | None = None) -> None:
        """Save where to go on, report progress, and notice that the work must end.

        In a sync task it returns when the checkpoint is durable. In an async task it does not wait
        (it would hold up the event loop): the checkpoint is stored right behind, in order, and what
        the queue answers is noticed by the next call.

        Args:
            cursor: a JSON value of at most 64 KiB; the next attempt gets it as `ctx.cursor`.
            done: how much is done, in any unit.
            total: the whole of it in the same unit, if known.

        Raises:
            Interrupted: the message was cancelled, timed out, lost its lease, the worker stops, or the work goes on
                elsewhere since the time here is over. Let it pass.
            ValueError: the cursor is no JSON value or too large.
            QueueError: the checkpoint could not be stored, in half a minute of trying.
        """
        self._hold.check()
        entry = SaveCheckpoint(self._hold.delivery.receipt, _checked(cursor), done, total)
        if threading.get_ident() == self._loop_thread:
            self._batcher.submit(entry, self._learn_later)
        else:
            self._learn(self._save(entry))
        self._saved = Checkpoint(cursor, done, total)
        self._hold.has_saved(self._saved)

    def _save(self, entry: SaveCheckpoint) -> Holding:
        """Store it, and try again: a store that is away for a moment is no failure of the task's."""
        ended: threading.Event | None = None
        for tried in range(1, SAVE_TRIES):
            try:
                holding = self._batcher.ask_blocking(entry)
            except QueueError as error:
                if ended is None:
                    self.log.warning("a checkpoint could not be stored: %s; it is tried again", error)
                    ended = threading.Event()
                    self._hold.on_interrupt(ended.set)
                ended.wait(RETRY_S)
                self._hold.check()
            else:
                if ended is not None:
                    self.log.warning("a checkpoint is stored at try %d", tried)
                return holding
        return self._batcher.ask_blocking(entry)

    def _learn(self, holding: Holding) -> None:
        self._hold.learn(holding)
        if holding.cancel_requested:
            self._hold.interrupt("cancelled")
        self._hold.check()

    def _learn_later(self, answer: Holding | Exception) -> None:
        if isinstance(answer, Exception):
            self.log.warning("a checkpoint could not be stored: %s; the next one will try", answer)
            return
        try:
            self._learn(answer)
        except Interrupted:
            return  # the hold remembers why: the task's next checkpoint raises it


def _checked(cursor: Any) -> Any:
    try:
        size = len(json.dumps(cursor, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"a checkpoint's cursor is a JSON value, not {type(cursor).__name__}: {error}"
        ) from None
    if size > MAX_CURSOR_BYTES:
        raise ValueError(f"a checkpoint's cursor takes at most {MAX_CURSOR_BYTES} bytes, not {size}")
    return cursor


class _TaskLog(logging.LoggerAdapter[logging.Logger]):
    def __init__(self, task: str, message_id: str, attempt: int) -> None:
        super().__init__(
            logging.getLogger("twolane.task"), {"task": task, "id": message_id, "attempt": attempt}
        )
        self._prefix = f"{task} {message_id} attempt {attempt}: "

    def process(self, msg: Any, kwargs: Any) -> Any:
        msg, kwargs = super().process(msg, kwargs)
        return self._prefix.replace("%", "%%") + str(msg), kwargs
