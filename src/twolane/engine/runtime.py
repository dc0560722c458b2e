"""What one process holds open for one `Tasks`: stores, batcher, sender, background lane, worker.

Everything is made at first use and in the process that uses it, so that defining tasks and forking
workers opens nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from twolane.contracts.blobs import Blobs
from twolane.contracts.clock import Clock
from twolane.contracts.queue import CancelMessage, Queue
from twolane.contracts.records import Records
from twolane.engine.background import Background
from twolane.engine.batcher import Batcher
from twolane.engine.calling import Means
from twolane.engine.followers import Followers
from twolane.engine.hand import aside
from twolane.engine.informing import Informing
from twolane.engine.limits import Limits
from twolane.engine.opening_checks import check_timeouts, say_unordered
from twolane.engine.outbox import Outbox
from twolane.engine.run import Observer, Surroundings, unobserved
from twolane.engine.sender import SEND_TIMEOUT_S, Sender
from twolane.engine.targets import Target
from twolane.engine.task import Registry, Sendable
from twolane.engine.threads import Threads
from twolane.engine.upkeep import Upkeep
from twolane.engine.upload_forms import UploadForms
from twolane.engine.uploads import PendingBlob, pending
from twolane.engine.worker import Worker
from twolane.values.errors import QueueError, SendRefused, UsageError
from twolane.values.record import Record, WorkerInfo
from twolane.values.snapshot import Premises
from twolane.values.thresholds import Thresholds
from twolane.values.ticket import Lane, Ticket

log = logging.getLogger("twolane.runtime")


@dataclass(frozen=True, slots=True)
class Stores:
    """The backends of one process.

    Attributes:
        queue: where messages wait.
        records: its reading side.
        blobs: the store of blobs.
        address: the queue's, for people; empty: it has none.
        premises: tells where they live; blocks for a moment.
    """

    queue: Queue
    records: Records
    blobs: Blobs
    address: str = ""
    premises: Callable[[], Premises] = Premises


@dataclass(frozen=True, slots=True)
class _Open:
    pid: int
    stores: Stores
    batcher: Batcher
    sender: Sender


class Runtime:
    """What one process holds open.

    Args:
        registry: the tasks.
        clock: where time comes from.
        open_stores: makes the backends, at first use.
        new_id: makes a message's id.
        limits: sizes and bounds.
        in_app: whether the app's process runs a worker.
        targets: makes the targets of alerts beside the log and the hooks, when the process starts.
        tells: whether this process tells what is owed.
        thresholds: of the watch; None: this process does not watch.
        secret: what tokens of uploads are sealed with; None: one of this process alone.

    Attributes:
        observer: told each step of each delivery, for tests.
        new_state: makes `ctx.state` of an attempt; what the app's lifespan yielded while one runs.
        upload_forms: uploads past the endpoint.
        informing: tells people, and watches.
        on_stuck: called when too many sync tasks are stuck; a worker process replaces itself then.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        open_stores: Callable[[], Stores],
        *,
        new_id: Callable[[], str],
        limits: Limits,
        in_app: bool = True,
        targets: Callable[[], Sequence[Target]] = tuple,
        tells: bool = True,
        thresholds: Thresholds | None = None,
        secret: Callable[[], bytes] | None = None,
    ) -> None:
        self.observer: Observer = unobserved
        self.new_state: Callable[[], Any] = SimpleNamespace
        self.on_stuck: Callable[[], None] = lambda: self.informing.report_stuck(self.batcher)
        self.registry = registry
        self.clock = clock
        self.limits = limits
        self.new_id = new_id
        self.background = Background(limits=limits, clock=clock)
        self.followers = Followers(self.read_many, pause_s=limits.look_s)
        self.upload_forms = UploadForms(
            lambda: self.stores.blobs, secret, clock, limit_bytes=limits.upload_bytes
        )
        self._open_stores = open_stores
        self._opened: _Open | None = None
        self._guard = threading.Lock()
        self._kind: str | None = "in_app" if in_app else None
        self._queues: tuple[str, ...] = ()
        self._worker: Worker | None = None
        self._threads: tuple[Threads, ...] = ()
        self.informing = Informing(
            registry, clock, new_id, targets=targets, tells=tells, thresholds=thresholds
        )

    @property
    def sender(self) -> Sender:
        """Sends messages; opens the queue at first use."""
        return self._open().sender

    @property
    def batcher(self) -> Batcher:
        """The writing side of the queue; opens it at first use."""
        return self._open().batcher

    @property
    def stores(self) -> Stores:
        """The backends; opened at first use."""
        return self._open().stores

    @property
    def receives(self) -> bool | None:
        """Whether the worker of this process receives; None: there is to be none."""
        if self._kind is None or not self.registry.queue_tasks():
            return None
        return self._worker is not None and self._worker.receives

    def upload(self, source: Any) -> PendingBlob:
        """A blob to be, stored with the send that names it.

        Raises:
            BlobTooLarge: the size is known and over the upload limit.
            TypeError: no upload, bytes, path or binary file.
        """
        return pending(source, limit_bytes=self.limits.upload_bytes)

    async def send(self, sendable: Sendable[...], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Ticket:
        """Send one task at once, in whichever lane it takes; see `Tasks.send`."""
        if sendable.task.lane is Lane.BACKGROUND:
            call = self.background.prepare(sendable.task, args, kwargs, id=self.new_id())
            self.background.start(call)
            return call.ticket
        sender = self._sender_of(sendable)
        (sent,) = await sender.store((sender.prepare(sendable, args, kwargs),))
        return Ticket(id=sent.id, task=sendable.task.name, lane=Lane.QUEUE)

    def send_blocking(
        self, sendable: Sendable[...], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Ticket:
        """Store one message of the queue lane from a script or a thread; see `Tasks.send_blocking`."""
        if sendable.task.lane is Lane.BACKGROUND:
            raise UsageError(
                f'task {sendable.task.name} is if_lost="ignore": a script has no event loop that would run it '
                f"after something. Call the function itself, or use `await tasks.send(...)` in a running app."
            )
        sender = self._sender_of(sendable)
        (sent,) = sender.store_blocking((sender.prepare(sendable, args, kwargs),))
        return Ticket(id=sent.id, task=sendable.task.name, lane=Lane.QUEUE)

    def read(self, message_id: str) -> Record | None:
        """The record of a message. Blocks.

        Raises:
            QueueError: the queue cannot be read.
        """
        return self.stores.records.get(message_id)

    def read_many(self, message_ids: Collection[str]) -> dict[str, Record]:
        """The records of several messages in one reading. Blocks; raises as `read`."""
        return self.stores.records.get_many(message_ids)

    def cancel(self, message_id: str) -> Record | None:
        """Ask for a cancellation; the record as it stands afterwards. Blocks; see `Tasks.cancel`."""
        record = self.read(message_id)
        if record is None:
            return None
        self.batcher.ask_blocking(CancelMessage(record.id), SEND_TIMEOUT_S)
        return self.read(record.id)

    def work_as(
        self,
        kind: str,
        *,
        queues: Sequence[str] = (),
        slots: int | None = None,
        grace_s: float | None = None,
    ) -> None:
        """Say what worker `start` starts.

        Args:
            kind: `process` for a worker process, `in_app` for one beside the endpoints.
            queues: the queues it serves; empty: those of the tasks.
            slots: how many deliveries it runs at a time; None: the default.
            grace_s: how long `stop` waits for running work, in seconds; None: the default.
        """
        self._kind = kind
        self._queues = tuple(queues)
        if slots is not None:
            self.limits = replace(self.limits, slots=slots)
        if grace_s is not None:
            self.limits = replace(self.limits, grace_s=grace_s)

    async def start(self) -> None:
        """Check the tasks and the queue's place, and start the worker if this process has one; in the app's loop.

        Raises:
            DefinitionError: a task whose arguments cannot be stored.
            SettingsError: a queue that cannot lie where it does.
            QueueError: the queue cannot be used.
        """
        tasks = self.registry.queue_tasks()
        for task in tasks:
            _ = task.arguments.model  # what cannot be stored is said at start, not at the first send
        if tasks:
            stores = (await asyncio.to_thread(self._open)).stores  # and so is a place where no queue can be
            can = stores.queue.capabilities
            check_timeouts(tasks, can.longest_attempt_s, stores.address)
            if not can.groups:
                say_unordered(tasks)
            self.informing.start_telling(self.batcher, self.stores, self.limits)
            if self._kind is not None:
                await self._start_worker(self._kind)
            self.informing.start_watch(self.batcher, self.stores, self.limits)

    async def tell_now(self) -> None:
        """Send the alerts that are owed, within a few seconds: for a process that tells of none by itself."""
        await self.informing.tell_now(self.batcher, self.stores, self.limits)

    async def watch_alone(self) -> None:
        """Watch and tell, with no task and no worker; in the loop. `stop` ends it.

        Raises:
            SettingsError: a queue that cannot lie where it does.
        """
        await asyncio.to_thread(self._open)
        self.informing.start_telling(self.batcher, self.stores, self.limits)
        self.informing.start_watch(self.batcher, self.stores, self.limits)

    async def _start_worker(self, kind: str) -> None:
        self._threads = (
            Threads(self.limits.sync_threads, name="twolane-task"),
            Threads(self.limits.slots, name="twolane-dependency"),
        )
        self._worker = self._make_worker(kind, self.surroundings(*self._threads))
        try:
            await self._worker.start()
        except BaseException:
            self._worker = None  # there is nothing to drain
            raise

    def begin_stop(self) -> None:
        """Take nothing new; in the loop's thread, at the first sign of a shutdown. Twice is harmless."""
        if self._worker is not None:
            self._worker.stop_receiving()
        self.informing.begin_stop()
        self.background.begin_stop()
        self.followers.release()

    def hurry(self) -> None:
        """Do not wait for the grace time to end; in the loop's thread."""
        if self._worker is not None:
            self._worker.hurry()
        self.background.hurry()

    async def stop(self, grace_s: float | None = None) -> None:
        """Drain both lanes within the grace time, then close the stores.

        Args:
            grace_s: how long running work may take to finish, in seconds; None: the limits'.
        """
        self.begin_stop()
        grace_s = self.limits.grace_s if grace_s is None else grace_s
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        draining = [self.followers.drain(), self.informing.stop_watch()]
        if self._worker is not None:
            draining.append(self._worker.drain(grace_s))
        await asyncio.gather(*draining)
        self._worker = None
        # its last deliveries may have started background tasks: those have what is left of the time
        await self.background.drain(max(0.0, deadline - loop.time()))
        for threads in self._threads:
            threads.close()
        await self.informing.finish()
        await aside(self.close, "close")

    def surroundings(self, threads: Threads, side_threads: Threads) -> Surroundings:
        """What running deliveries needs.

        Args:
            threads: for sync tasks.
            side_threads: for blocking dependencies of tasks.
        """
        means = Means(side_threads, self._open_outbox)
        return Surroundings(
            self.registry,
            self.stores.blobs,
            self.batcher,
            self.clock,
            threads,
            self.observer,
            self.new_state,
            means,
        )

    def _open_outbox(self, parent: str, by: str) -> Outbox:
        return Outbox(parent, by, sender=self.sender, background=self.background, new_id=self.new_id)

    def _make_worker(self, kind: str, around: Surroundings) -> Worker:
        stores, tasks = self.stores, self.registry.queue_tasks()
        info = WorkerInfo(
            id=self.new_id(),
            pid=os.getpid(),
            kind=kind,
            queues=self._queues or tuple(sorted({"default", *(task.queue for task in tasks)})),
            tasks=tuple(task.name for task in tasks),
            slots=self.limits.slots,
            started_at=self.clock.now(),
        )
        upkeep = Upkeep(
            self.batcher,
            stores.records,
            stores.blobs,
            self.clock,
            limits=self.limits,
            on_deaths=self.informing.wake,
            sweeps_blobs=stores.queue.capabilities.prunes,
        )
        return Worker(info, stores.queue, around, limits=self.limits, upkeep=upkeep, on_stuck=self.on_stuck)

    def close(self) -> None:
        """Flush and close the stores; they open again at the next use. Blocks."""
        with self._guard:
            opened, self._opened = self._opened, None
        if opened is not None and opened.pid == os.getpid():
            opened.stores.records.close()
            opened.batcher.close()

    def _sender_of(self, sendable: Sendable[...]) -> Sender:
        """What sends this one; where the queue cannot be opened, its send is refused."""
        try:
            return self.sender
        except QueueError as error:
            known = sendable.send_options.id
            raise SendRefused(f"{error}; nothing was stored", [known] if known else []) from error

    def _open(self) -> _Open:
        opened = self._opened
        if opened is not None and opened.pid == os.getpid():
            return opened
        with self._guard:
            if self._opened is None or self._opened.pid != os.getpid():
                stores = self._open_stores()
                batcher = Batcher(stores.queue)
                sender = Sender(
                    batcher,
                    stores.blobs,
                    self.clock,
                    new_id=self.new_id,
                    max_body_bytes=stores.queue.max_body_bytes,
                    limit_bytes=self.limits.upload_bytes,
                )
                self._opened = _Open(os.getpid(), stores, batcher, sender)
            return self._opened
