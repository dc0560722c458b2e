"""An attempt with dependencies that must end before it is done: time-outs, cancellations, shutdowns, stuck threads."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import Depends

from tests.fastapi.house import House
from twolane import Interrupted, Lanes, TaskContext, UsageError, given
from twolane.contracts.queue import CancelMessage, Receive
from twolane.engine import on_loop as module
from twolane.engine.hold import Hold
from twolane.engine.run import Ran, run
from twolane.engine.threads import Threads
from twolane.values import outcome as did

WAIT_S = 30.0
COVERS_S = 0.5
"""A time-out that is over in what hangs, also where the machine is slow to come so far."""


@dataclass
class Room:
    """Runs single deliveries, and hears what dependencies tell."""

    house: House
    threads: Threads = field(default_factory=lambda: Threads(2, name="task"))
    side: Threads = field(default_factory=lambda: Threads(2, name="side"))
    told: list[Any] = field(default_factory=list[Any])
    go: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)

    def task(self, fn: Any, timeout_s: float = WAIT_S) -> Any:
        return self.house.tasks.task(if_lost="alert", name="work", timeout_s=timeout_s)(fn)

    async def receive(self, task: Any) -> Hold:
        await self.house.tasks.send(task)
        (delivery,) = await self.house.runtime.batcher.ask(Receive("w", ("default",), None, 1, 60.0))
        return Hold(delivery)

    def run(self, task: Any, then: Callable[[Hold], Awaitable[None]] | None = None) -> Ran:
        """Run one delivery; `then` is called with its hold once the function, or what hangs, has begun."""

        async def main() -> Ran:
            hold = await self.receive(task)
            running = asyncio.ensure_future(
                run(hold, self.house.runtime.surroundings(self.threads, self.side))
            )
            if then is not None:
                assert await asyncio.to_thread(self.began.wait, WAIT_S)
                await then(hold)
            return await asyncio.wait_for(running, WAIT_S)

        return asyncio.run(main())

    def session(self) -> Iterator[None]:
        self.told.append("opened")
        try:
            yield
        except BaseException as error:
            self.told.append(type(error))
            raise
        else:
            self.told.append("closed")

    async def session_async(self) -> AsyncIterator[None]:
        self.told.append("opened")
        try:
            yield
        except BaseException as error:
            await asyncio.sleep(0)  # it may await as it closes
            self.told.append(type(error))
            raise
        else:
            self.told.append("closed")


@pytest.fixture
def room(house: House) -> Iterator[Room]:
    room = Room(house)
    yield room
    room.go.set()
    room.threads.close()
    room.side.close()
    house.tasks.close()


async def interrupted(hold: Hold, why: str) -> None:
    hold.interrupt(why)


class TestTimeOuts:
    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_cancel_an_async_task_and_close(self, room: Room, kind: str) -> None:
        used = room.session if kind == "sync" else room.session_async

        async def endless(found: None = Depends(used)) -> None:
            room.began.set()
            await asyncio.Event().wait()

        ran = room.run(room.task(endless), lambda hold: interrupted(hold, "timed_out"))
        assert isinstance(ran.outcome, did.TimedOut)
        assert not ran.stuck
        assert room.told == ["opened", asyncio.CancelledError]

    @pytest.mark.parametrize("is_async", [True, False])
    def test_cover_what_opens(self, room: Room, is_async: bool) -> None:
        async def endless() -> None:
            await asyncio.Event().wait()

        async def async_task(a: None = Depends(room.session), b: None = Depends(endless)) -> None:
            room.told.append("ran")

        def sync_task(a: None = Depends(room.session), b: None = Depends(endless)) -> None:
            room.told.append("ran")

        ran = room.run(room.task(async_task if is_async else sync_task, timeout_s=COVERS_S))
        assert isinstance(ran.outcome, did.TimedOut)
        assert room.told == ["opened", asyncio.CancelledError]
        assert room.threads.free == 2

    def test_cover_what_closes(self, room: Room) -> None:
        async def endless() -> AsyncIterator[None]:
            yield
            await asyncio.Event().wait()

        def task(a: None = Depends(room.session), b: None = Depends(endless)) -> None:
            room.told.append("ran")

        ran = room.run(room.task(task, timeout_s=COVERS_S))
        assert isinstance(ran.outcome, did.TimedOut)
        assert room.told == ["opened", "ran", asyncio.CancelledError]

    def test_of_a_sync_task_close_nothing_under_its_feet(self, room: Room) -> None:
        returned = threading.Event()

        def closes() -> Iterator[None]:
            try:
                yield from room.session()
            finally:
                returned.set()

        def endless(found: None = Depends(closes)) -> str:
            room.began.set()
            room.go.wait(WAIT_S)
            room.told.append("returned")
            return "too late"

        async def main() -> None:
            hold = await room.receive(room.task(endless))
            running = asyncio.ensure_future(
                run(hold, room.house.runtime.surroundings(room.threads, room.side))
            )
            assert await asyncio.to_thread(room.began.wait, WAIT_S)
            hold.interrupt("timed_out")  # a time-out that is short may pass before the thread has begun
            ran = await running
            assert isinstance(ran.outcome, did.TimedOut)
            assert ran.stuck
            assert room.threads.stuck == 1
            assert room.told == ["opened"]
            room.go.set()
            assert await asyncio.to_thread(returned.wait, WAIT_S)

        asyncio.run(main())
        assert room.told == ["opened", "returned", Interrupted]  # a session rolls back what did not count
        assert room.threads.stuck == 0

    def test_of_a_dependency_in_its_thread_close_it_when_it_has_opened(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "UNHEEDED_S", 0.01)
        closed = threading.Event()

        def slow() -> Iterator[None]:
            room.go.wait(WAIT_S)
            try:
                yield from room.session()
            finally:
                closed.set()

        async def task(found: None = Depends(slow)) -> None:
            room.told.append("ran")

        async def main() -> None:
            hold = await room.receive(room.task(task, timeout_s=0.01))
            ran = await run(hold, room.house.runtime.surroundings(room.threads, room.side))
            assert isinstance(ran.outcome, did.TimedOut)
            assert ran.stuck
            room.go.set()
            assert await asyncio.to_thread(closed.wait, WAIT_S)

        asyncio.run(main())
        assert room.told == ["opened", asyncio.CancelledError]


class TestInterruptions:
    @pytest.mark.parametrize("error", [KeyError("its own"), None])
    def test_that_come_as_a_sync_function_ends_take_nothing_of_what_it_raised(
        self, room: Room, error: Exception | None
    ) -> None:
        async def main() -> Ran:
            loop = asyncio.get_running_loop()

            def hold_the_loop_until_it_has_ended() -> None:
                deadline = time.monotonic() + WAIT_S
                while room.threads.free < 2:
                    assert time.monotonic() < deadline

            def work(found: None = Depends(room.session)) -> None:
                loop.call_soon_threadsafe(hold_the_loop_until_it_has_ended)
                hold.interrupt("timed_out")
                if error is not None:
                    raise error

            hold = await room.receive(room.task(work))
            return await run(hold, room.house.runtime.surroundings(room.threads, room.side))

        ran = asyncio.run(main())
        assert isinstance(ran.outcome, did.TimedOut if error is None else did.Failed)
        assert room.told == ["opened", asyncio.CancelledError if error is None else KeyError]
        assert not ran.stuck
        assert (room.threads.stuck, room.threads.free) == (0, 2)

    def test_at_a_checkpoint_are_thrown_into_what_is_open(self, room: Room) -> None:
        def work(ctx: TaskContext, found: None = Depends(room.session)) -> None:
            while True:
                ctx.checkpoint(1)
                room.began.set()

        async def cancel(hold: Hold) -> None:
            await room.house.runtime.batcher.ask(CancelMessage(hold.delivery.id))

        ran = room.run(room.task(work), cancel)
        assert isinstance(ran.outcome, did.WasCancelled)
        assert room.told == ["opened", Interrupted]

    def test_leave_a_function_that_heeds_no_cancellation_when_its_time_is_over(self, room: Room) -> None:
        def work(found: None = Depends(room.session)) -> None:
            room.began.set()
            room.go.wait(WAIT_S)

        async def cancel_and_time_out(hold: Hold) -> None:
            hold.interrupt("cancelled")
            await asyncio.sleep(0)  # it is heard, and waits for a checkpoint
            hold.interrupt("timed_out")

        ran = room.run(room.task(work), cancel_and_time_out)
        assert isinstance(ran.outcome, did.WasCancelled)
        assert ran.stuck

    def test_of_a_shutdown_close_an_async_task_at_once(self, room: Room) -> None:
        async def work(found: None = Depends(room.session_async)) -> None:
            room.began.set()
            await asyncio.Event().wait()

        ran = room.run(room.task(work), lambda hold: interrupted(hold, "stopping"))
        assert isinstance(ran.outcome, did.WasStopped)
        assert room.told == ["opened", asyncio.CancelledError]

    def test_stand_although_what_closes_fails(self, room: Room, caplog: pytest.LogCaptureFixture) -> None:
        def fails() -> Iterator[None]:
            try:
                yield
            finally:
                raise OSError("rollback failed")

        async def work(found: None = Depends(fails)) -> None:
            room.began.set()
            await asyncio.Event().wait()

        ran = room.run(room.task(work), lambda hold: interrupted(hold, "stopping"))
        assert isinstance(ran.outcome, did.WasStopped)  # which uses up no attempt
        assert "was to end (stopping), and closing its dependencies failed" in caplog.text
        assert "rollback failed" in caplog.text

    def test_that_a_dependency_swallows_stand(self, room: Room) -> None:
        async def swallows() -> None:
            room.began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return

        async def work(found: None = Depends(swallows)) -> None:
            room.told.append("ran")

        ran = room.run(room.task(work), lambda hold: interrupted(hold, "stopping"))
        assert isinstance(ran.outcome, did.WasStopped)
        assert room.told == []

    def test_leave_no_lanes_to_what_goes_on(self, room: Room) -> None:
        refused = threading.Event()

        def work(lanes: Lanes = given) -> None:
            room.began.set()
            room.go.wait(WAIT_S)
            with pytest.raises(UsageError, match="has ended"):
                lanes.add_task(room.house.load, 1)
            refused.set()

        ran = room.run(room.task(work), lambda hold: interrupted(hold, "lease_lost"))
        assert isinstance(ran.outcome, did.LostLease)
        assert ran.stuck
        assert ran.outbox is not None
        ran.outbox.drop("is over")
        room.go.set()
        assert refused.wait(WAIT_S)

    def test_a_loop_that_closes_does_not_wait_for_a_thread(
        self, room: Room, caplog: pytest.LogCaptureFixture
    ) -> None:
        def work(found: None = Depends(room.session)) -> None:
            room.began.set()
            room.go.wait(WAIT_S)

        ran = room.run(room.task(work), lambda hold: interrupted(hold, "stopping"))  # closes its loop
        assert isinstance(ran.outcome, did.WasStopped)
        assert room.told == ["opened"]
        assert (
            "still runs in its thread as its event loop closes: its dependencies are not closed"
            in caplog.text
        )


def test_a_thread_is_kept_for_a_sync_task_while_its_dependencies_open(room: Room) -> None:
    free: list[int] = []

    def opens() -> None:
        free.append(room.threads.free)

    def task(found: None = Depends(opens)) -> None:
        free.append(room.threads.free)

    ran = room.run(room.task(task))
    assert isinstance(ran.outcome, did.Succeeded)
    assert free == [1, 1]
    assert room.threads.free == 2
