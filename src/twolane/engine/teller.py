"""The teller: looks at the outbox, and tells each target what its pace allows; sent until accepted, marked after.

    read how far a target is -> plan -> take its lease -> tell -> write down how far it is now

Nothing is written while nothing is to be told, and a target waits for no other. Several processes may tell:
who takes a target's lease first tells it. A process that dies in between has told or not: it is told again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from twolane.contracts.clock import Clock
from twolane.contracts.outbox import RegisterTargets, SaveTarget
from twolane.contracts.records import Records
from twolane.engine.batcher import Batcher
from twolane.engine.hand import Hand
from twolane.engine.masking import Masker
from twolane.engine.pace import MAX_TRY_S, Tell, WaitUntil, accepted, begun, plan, refused
from twolane.engine.saying import Saying
from twolane.engine.targets import Target, death_of
from twolane.engine.wording import Because, LastOfKind, about_death, about_notice, digest, shown_in_digest
from twolane.values.errors import QueueError, QueueMissing, UsageError
from twolane.values.fingerprint import where
from twolane.values.telling import Owed, OwedAlert, TargetRow, TargetState

log = logging.getLogger("twolane.telling")

A = TypeVar("A")

LOOK_S = 2.0
"""How often it looks without having been woken."""
PAUSE_S = 0.1
"""Between two looks: what dies meanwhile is told together."""
REGISTER_S = 300.0
FINISH_S = 3.0
"""How long a process that stops gives its targets, in seconds; what is still owed then is told by the next one."""
CHECK_S = 60.0
"""How long a target that was never told anything may take until it is ready, in seconds."""
BATCH = 100
"""How many deaths a hook gets for one line written down."""
BATCH_S = 10.0
READERS = 2
SLACK_S = 5.0


class Teller:
    """Tells what is owed.

    Args:
        batcher: the way to the queue.
        records: what is owed.
        targets: who is told.
        clock: leases and paces are by its time of day.
        digest_s: the window of every target's pace, in seconds.
        because: a task's reason for its answer.
        address: the queue's address, for the commands that a message names; empty: not said.
    """

    def __init__(
        self,
        batcher: Batcher,
        records: Records,
        targets: Sequence[Target],
        clock: Clock,
        *,
        digest_s: float = 60.0,
        because: Because = lambda _: "",
        address: str = "",
    ) -> None:
        self._batcher = batcher
        self._records = records
        self._targets = {target.id: target for target in targets}
        self._clock = clock
        self._paces = {target.id: replace(target.pace, window_s=digest_s) for target in targets}
        self._because = because
        self._address = address
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._hands = {target.id: Hand(target.name) for target in targets}
        self._readers = ThreadPoolExecutor(READERS, "twolane-outbox")
        self._look_at: dict[str, float] = {}
        self._registered_at: float | None = None
        self._unread, self._unwritten = Saying(clock), Saying(clock)
        self._refusing = {target.id: Saying(clock) for target in targets}
        self._woken = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._checking: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin; in the event loop."""
        loop = asyncio.get_running_loop()
        self._checking = {
            target_id: loop.create_task(self._check(target)) for target_id, target in self._targets.items()
        }
        self._running = loop.create_task(self._run())

    def wake(self) -> None:
        """Something is owed; in the loop's thread."""
        self._look_at.clear()
        self._woken.set()

    async def finish(self) -> None:
        """Tell what can be told within `FINISH_S`, then end."""
        if self._running is not None:
            self._running.cancel()
        for checking in self._checking.values():
            checking.cancel()
        self._look_at.clear()
        try:
            async with asyncio.timeout(FINISH_S):
                await self.settle()
        except TimeoutError:
            log.warning("alerts were not all accepted before this process stopped: the next one tells them")
        left = list(self._busy.values())
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self._readers.shutdown(wait=False)

    async def settle(self) -> None:
        """Tell until nobody is due; a target that hangs keeps no other waiting."""
        await self.look()
        while self._busy:
            await asyncio.wait(list(self._busy.values()), return_when=asyncio.FIRST_COMPLETED)
            await self.look()

    async def look(self) -> None:
        """Begin to tell every target that is due."""
        try:
            await self._register()
            telling = await self._read(self._records.telling)
        except QueueMissing:
            return
        except (QueueError, UsageError) as error:
            if self._unread.is_news(str(error)):
                log.warning("owed alerts cannot be read now (%s); tried again every %g s", error, LOOK_S)
            return
        if self._unread.is_over():
            log.warning("owed alerts can be read again")
        rows = {row.id: row for row in telling.targets}
        if missing := self._targets.keys() - rows.keys():
            log.warning("%d target(s) of alerts were forgotten; they are named again", len(missing))
            self._registered_at = None
        for target_id, row in rows.items():
            target = self._targets.get(target_id)
            if target is not None and target_id not in self._busy and self._is_due(row, telling.last):
                doing = asyncio.get_running_loop().create_task(self._serve(target, row))
                self._busy[target_id] = doing
                doing.add_done_callback(partial(self._done, target_id))

    def _done(self, target_id: str, _: asyncio.Task[None]) -> None:
        self._busy.pop(target_id, None)
        self._woken.set()  # what was owed meanwhile

    async def _check(self, target: Target) -> None:
        """Say at the start what will never work; the others are served."""
        try:
            problem = await Hand(target.name).do(target.problem)
        except Exception:
            log.exception("whether %s can be told is seen when it is told", target.name)
            return
        if problem is not None:
            log.error(
                "ALERTS DO NOT REACH %s: %s. What it is owed is kept; mend TWOLANE_ALERTS and restart",
                target.name, problem,
            )  # fmt: skip

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:
                if self._unread.is_news(repr(error)):
                    log.exception("looking at the outbox failed; tried again every %g s", LOOK_S)
            await asyncio.sleep(PAUSE_S)
            try:
                async with asyncio.timeout(max(0.0, self._pause_s() - PAUSE_S)):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    def _pause_s(self) -> float:
        now = self._clock.now()
        return min([LOOK_S, *(at - now for at in self._look_at.values() if at > now)])

    async def _register(self) -> None:
        now = self._clock.monotonic()
        if self._registered_at is not None and now - self._registered_at < REGISTER_S:
            return
        names = tuple([(target.id, target.name) for target in self._targets.values()])
        await self._batcher.ask(RegisterTargets(names))
        self._registered_at = now

    def _is_due(self, row: TargetRow, last: int) -> bool:
        """Whether it is worth asking what is owed. A lease longer than any comes of a clock that was put back."""
        now = self._clock.now()
        if row.state.told_to >= last or now < row.leased_until <= now + self._lease_s(self._targets[row.id]):
            return False
        look_at = self._look_at.get(row.id, 0.0)
        return not now < look_at <= now + self._paces[row.id].window_s

    def _lease_s(self, target: Target) -> float:
        return target.timeout_s + SLACK_S + (BATCH_S if target.deaths_only else 0.0)

    async def _serve(self, target: Target, row: TargetRow) -> None:
        if (checking := self._checking.get(target.id)) is not None:
            # What it imports may take longer than one part may, and would count as no answer.
            await asyncio.wait([checking], timeout=CHECK_S)
        try:
            await self._tell(target, row)
        except (QueueError, UsageError) as error:
            self._look_later(row)
            if self._unwritten.is_news(str(error)):
                log.warning(
                    "what %s is told cannot be written down now (%s): it is told later, or again",
                    target.name, error,
                )  # fmt: skip
        except Exception as error:
            self._look_later(row)
            if self._unwritten.is_news(repr(error)):
                log.exception("telling %s failed; tried again every %g s", target.name, LOOK_S)
        else:
            if self._unwritten.is_over():
                log.warning("what targets are told can be written down again")

    async def _tell(self, target: Target, row: TargetRow) -> None:
        pace, now, state = self._paces[row.id], self._clock.now(), row.state
        whole = BATCH if pace.most is None else pace.most if pace.each else 1
        owed = await self._read(partial(self._records.owed, state.told_to, whole=whole))
        if not owed.total:  # somebody deleted rows by hand
            await self._save(row, accepted(state, owed.up_to, (), now, pace))
            return
        step = plan(owed, state, now, pace)
        if isinstance(step, WaitUntil):
            self._look_at[row.id] = step.at
        if not isinstance(step, Tell):
            return
        state = begun(state, step, now, pace)
        version = await self._save(row, state, leased_until=now + self._lease_s(target))
        if version is not None:
            told = await self._hand_over(target, state, step, owed)
            version = await self._batcher.ask(SaveTarget(row.id, version, told))
        if version is None:  # another process tells it
            self._look_later(row)

    def _look_later(self, row: TargetRow) -> None:
        """It would be due at once: without a pause it would be asked again and again."""
        self._look_at[row.id] = self._clock.now() + LOOK_S

    async def _save(self, row: TargetRow, state: TargetState, leased_until: float = 0.0) -> int | None:
        return await self._batcher.ask(SaveTarget(row.id, row.version, state, leased_until))

    async def _hand_over(self, target: Target, state: TargetState, step: Tell, owed: Owed) -> TargetState:
        """Tell part by part until one is not accepted; the state afterwards."""
        kinds = [kind.fingerprint for kind in owed.kinds]
        began = self._clock.monotonic()
        for alert in step.alerts or (None,):
            up_to = step.up_to if alert is None else alert.number
            try:
                await self._hand_one(target, alert, owed)
            except Exception as error:  # noqa: BLE001  (whatever a target raises, it did not accept)
                return self._not_accepted(target, state, error)
            if self._refusing[target.id].is_over():
                log.warning("%s accepts alerts again, at its try %d", target.name, state.tries + 1)
            state = accepted(state, up_to, kinds, self._clock.now(), self._paces[target.id])
            if self._clock.monotonic() - began > BATCH_S:
                break
        return state

    async def _hand_one(self, target: Target, alert: OwedAlert | None, owed: Owed) -> None:
        letter = alert.died if alert is not None else None
        if target.deaths_only:
            if alert is None or letter is None:
                return
            part: Any = death_of(alert, letter, self._because(letter.record.task))
        elif alert is None:
            last = await self._read(partial(self._last_of_kinds, owed))
            part = digest(owed, self._because, self._address, last)
        elif letter is not None:
            part = about_death(letter, self._because(letter.record.task), self._address, error=alert.error)
        elif alert.notice is not None:
            part = about_notice(alert.notice, self._address)
        else:
            return
        try:
            async with asyncio.timeout(target.timeout_s):
                await (
                    target.tell(part)
                    if target.in_loop
                    else self._hands[target.id].do(partial(target.tell, part))
                )
        except (SystemExit, asyncio.CancelledError) as error:
            if (ourselves := asyncio.current_task()) is not None and ourselves.cancelling():
                raise
            # Of a hook: the one would end the app, the other this telling without a word.
            raise RuntimeError(f"it raised {type(error).__name__}") from error
        except TimeoutError:
            raise TimeoutError(f"no answer within {target.timeout_s:g} s") from None

    async def _read(self, call: Callable[[], A]) -> A:
        """Ask the records, in threads of our own: an app may keep all of its loop's busy for as long as it likes."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    def _last_of_kinds(self, owed: Owed) -> dict[str, LastOfKind]:
        """The last message of each kind that is told by name."""
        ids = {kind.fingerprint: kind.id for kind in shown_in_digest(owed) if kind.id}
        found = {kind: self._last_of_kind(message_id) for kind, message_id in ids.items()}
        return {kind: last for kind, last in found.items() if last is not None}

    def _last_of_kind(self, message_id: str) -> LastOfKind | None:
        body = self._records.body(message_id)
        if body is None:
            return None
        attempts = self._records.attempts(message_id)
        return LastOfKind(Masker.of(body), where(attempts[-1].failure.traceback) if attempts else "")

    def _not_accepted(self, target: Target, state: TargetState, error: Exception) -> TargetState:
        now = self._clock.now()
        text = Masker().text(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        state = refused(state, text, now)
        if self._refusing[target.id].is_news(text):
            log.warning(
                "%s did not accept an alert (%s), %d time(s) in a row: tried again until it does, in the end every %g s; "
                "said again in an hour, or when it is something else",
                target.name, state.error, state.tries, MAX_TRY_S,
                exc_info=error if target.deaths_only else None,
            )  # fmt: skip
        return state
