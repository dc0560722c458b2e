from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.clock import FakeClock
from tests.logged import Logged
from twolane.engine import background as background_module
from twolane.engine.background import Background, Call
from twolane.engine.limits import Limits
from twolane.engine.task import Task
from twolane.values.errors import ArgumentsRefused, UsageError
from twolane.values.ticket import Lane, Ticket

LOG = "twolane.background"
WAIT_S = 20.0
request_id = contextvars.ContextVar("request_id", default="none")


class House:
    """A background lane, and calls of plain functions in it, named after them."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = FakeClock()
        self.lane = Background(limits=limits or Limits(), clock=self.clock)
        self.ran: list[Any] = []

    def call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Call:
        task = Task(fn, name=fn.__name__, lane=Lane.BACKGROUND)
        return self.lane.prepare(task, args, kwargs, id=f"id-of-{fn.__name__}")

    def note(self, name: str) -> Call:
        async def note() -> None:
            self.ran.append(name)

        return self.call(note)


@pytest.fixture
def house() -> House:
    return House()


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, WAIT_S))


async def turns(number: int = 5) -> None:
    """Let what is ready run."""
    for _ in range(number):
        await asyncio.sleep(0)


class TestPrepare:
    def test_gives_a_ticket_without_a_status(self, house: House) -> None:
        assert house.note("x").ticket == Ticket("id-of-note", "note", Lane.BACKGROUND, None)

    @pytest.mark.parametrize("args", [(), ("a", "b", "c")])
    def test_refuses_what_does_not_fit_the_signature(self, house: House, args: tuple[str, ...]) -> None:
        def greet(name: str, word: str = "hello") -> None: ...

        with pytest.raises(ArgumentsRefused, match="greet"):
            house.call(greet, *args)

    def test_refuses_unknown_and_double_names(self, house: House) -> None:
        def greet(name: str) -> None: ...

        with pytest.raises(ArgumentsRefused, match="nam"):
            house.call(greet, nam="a")
        with pytest.raises(ArgumentsRefused, match="name"):
            house.call(greet, "a", name="b")

    def test_arguments_are_neither_validated_nor_serialized(self, house: House) -> None:
        gate = object()

        def keep(what: int, *more: object, **rest: object) -> None:
            house.ran.append((what, more, rest))

        run(house.lane.run_all([house.call(keep, gate, gate, other=gate)]))
        assert house.ran == [(gate, (gate,), {"other": gate})]


class TestRun:
    def test_one_after_another_in_order(self, house: House) -> None:
        async def main() -> None:
            gate = asyncio.Event()

            async def first() -> None:
                await gate.wait()
                house.ran.append("first")

            chain = asyncio.create_task(house.lane.run_all([house.call(first), house.note("second")]))
            await turns()
            assert house.ran == []
            gate.set()
            await chain

        run(main())
        assert house.ran == ["first", "second"]
        assert house.lane.done == {"first": 1, "note": 1}
        assert house.lane.unfinished == 0

    @pytest.mark.parametrize(
        "error", [ValueError("no"), SystemExit(3), asyncio.CancelledError(), StopIteration()]
    )
    @pytest.mark.parametrize("is_async", [True, False])
    def test_what_one_raises_never_stops_another(
        self, house: House, error: BaseException, is_async: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def breaks_async(secret: str) -> None:
            raise error

        def breaks(secret: str) -> None:
            raise error

        run(
            house.lane.run_all(
                [house.call(breaks_async if is_async else breaks, "s3cret"), house.note("ran")]
            )
        )
        assert house.ran == ["ran"]
        assert house.lane.failed.total() == 1
        (line,) = [each for each in caplog.records if each.levelno == logging.ERROR]
        assert line.name == LOG
        assert line.getMessage().startswith("breaks")
        assert "id-of-breaks" in line.getMessage()
        assert "s3cret" not in line.getMessage()
        assert line.exc_info is not None

    def test_a_coroutine_that_nobody_would_await_is_a_failure(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def work() -> None: ...

        def decorated() -> Any:
            return work()

        run(house.lane.run_all([house.call(decorated)]))
        assert house.lane.failed == {"decorated": 1}
        assert "define it with `async def`" in caplog.text

    def test_one_line_a_call_with_task_id_and_duration(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, LOG)

        def slow(secret: str) -> None:
            house.clock.advance(2.5)

        run(house.lane.run_all([house.call(slow, "s3cret")]))
        assert caplog.messages == ["slow id-of-slow done in 2.500 s"]

    @pytest.mark.parametrize("is_async", [True, False])
    def test_runs_in_a_copy_of_the_context_of_its_making(self, house: House, is_async: bool) -> None:
        def see() -> None:
            house.ran.append(request_id.get())
            request_id.set("changed by the task")

        async def see_async() -> None:
            await asyncio.sleep(0)
            await asyncio.create_task(asyncio.to_thread(see))  # what it starts inherits it
            see()

        async def main() -> None:
            request_id.set("one")
            fn = see_async if is_async else see
            calls = [house.call(fn), house.call(fn)]
            request_id.set("two")
            await house.lane.run_all(calls)
            assert request_id.get() == "two"

        run(main())
        assert house.ran == ["one"] * (4 if is_async else 2)

    def test_async_calls_may_use_all_of_asyncio(self, house: House) -> None:
        async def busy() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            async with asyncio.TaskGroup() as group:
                made = group.create_task(asyncio.sleep(0, "made"))
            with pytest.raises(ZeroDivisionError):
                await asyncio.to_thread(lambda: 1 // 0)
            house.ran.append(await asyncio.wait_for(asyncio.sleep(0, made.result()), 5))

        run(house.lane.run_all([house.call(busy)]))
        assert house.ran == ["made"]
        assert house.lane.failed == {}

    def test_is_held_while_nobody_else_holds_it(self, house: House) -> None:
        async def main() -> None:
            loop, futures = asyncio.get_running_loop(), list[asyncio.Future[None]]()

            async def waits() -> None:
                futures.append(loop.create_future())
                await futures[0]
                house.ran.append("held")

            house.lane.begin([house.call(waits)])
            await turns()
            gc.collect()
            futures[0].set_result(None)
            await turns()

        run(main())
        assert house.ran == ["held"]


class TestThreads:
    def test_sync_calls_run_in_a_few_threads_of_their_own(self) -> None:
        house = House(Limits(background_threads=2))
        both, gate, names = threading.Barrier(3), threading.Event(), Counter[str]()

        def blocks() -> None:
            names[threading.current_thread().name.rsplit("-", 1)[0]] += 1
            if names.total() <= 2:
                both.wait(WAIT_S)
            gate.wait(WAIT_S)

        async def main() -> None:
            chains = [asyncio.create_task(house.lane.run_all([house.call(blocks)])) for _ in range(9)]
            await asyncio.to_thread(both.wait, WAIT_S)
            assert names == {"twolane-background": 2}
            assert house.lane.unfinished == 9
            gate.set()
            await asyncio.gather(*chains)

        run(main())
        assert names == {"twolane-background": 9}
        assert house.lane.done == {"blocks": 9}


class TestWarnings:
    def test_names_a_task_that_holds_the_event_loop_once(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def blocks() -> None:
            house.clock.advance(3.0)
            await asyncio.sleep(0)
            house.clock.advance(3.0)

        run(house.lane.run_all([house.call(blocks)]))
        (line,) = caplog.messages
        assert line.startswith("blocks id-of-blocks held the event loop for 3.000 s")

    def test_says_nothing_of_one_that_awaits_for_long(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            gate = asyncio.Event()
            chain = asyncio.create_task(house.lane.run_all([house.call(gate.wait)]))
            await turns()
            house.clock.advance(3.0)
            gate.set()
            await chain

        run(main())
        assert caplog.messages == []

    @pytest.mark.parametrize("is_async", [True, False])
    def test_asks_the_question_again_while_a_task_outlives_its_budget(
        self, is_async: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        house = House(Limits(background_budget_s=0.001, background_threads=1))

        async def main() -> None:
            gate, opened, began = asyncio.Event(), threading.Event(), threading.Event()

            async def lasts_async() -> None:
                began.set()
                await gate.wait()

            def lasts() -> None:
                began.set()
                opened.wait(WAIT_S)

            told = Logged("Ask the question again")
            lasting = [house.call(lasts_async if is_async else lasts)]
            chains = [asyncio.create_task(house.lane.run_all(lasting))]
            await asyncio.to_thread(began.wait, WAIT_S)
            house.clock.advance(7.0)
            await told.wait()
            gate.set()
            opened.set()
            await asyncio.gather(*chains)

        run(main())
        (line,) = caplog.messages
        assert line.startswith("lasts")
        assert "has been running for 7.0 s. Ask the question again" in line
        assert 'if_lost="alert"' in line

    def test_each_call_of_a_chain_has_its_own_budget(self, caplog: pytest.LogCaptureFixture) -> None:
        house = House(Limits(background_budget_s=0.001, blocking_s=1000.0))

        async def main() -> None:
            async def lasts() -> None:
                told = Logged(f"lasts id-of-lasts has been running for {len(house.ran) + 1}.0 s")
                await asyncio.sleep(0)
                house.clock.advance(len(house.ran) + 1.0)
                await told.wait()
                house.ran.append("told")

            await house.lane.run_all([house.call(lasts), house.call(lasts)])

        run(main())
        assert len(caplog.messages) == 2

    def test_the_wait_for_a_thread_is_not_in_the_budget(self, caplog: pytest.LogCaptureFixture) -> None:
        house = House(Limits(background_budget_s=0.001, background_threads=1))

        async def main() -> None:
            opened, began = threading.Event(), threading.Event()

            def lasts() -> None:
                began.set()
                opened.wait(WAIT_S)

            def waits_for_a_thread() -> None: ...

            told = Logged("Ask the question again")
            chains = [asyncio.create_task(house.lane.run_all([house.call(lasts)]))]
            await asyncio.to_thread(began.wait, WAIT_S)
            chains.append(asyncio.create_task(house.lane.run_all([house.call(waits_for_a_thread)])))
            house.clock.advance(7.0)
            await told.wait()
            opened.set()
            await asyncio.gather(*chains)

        run(main())
        assert [line.split()[0] for line in caplog.messages] == ["lasts"]


class TestStart:
    def test_needs_an_app_or_a_worker(self, house: House) -> None:
        async def main() -> None:
            with pytest.raises(UsageError, match=r"note .*none has been started in this process"):
                house.lane.start(house.note("x"))

        run(main())

    def test_runs_at_once_from_the_loop_and_from_a_thread(self, house: House) -> None:
        async def main() -> None:
            house.lane.open(asyncio.get_running_loop())
            house.lane.start(house.note("loop"))
            await asyncio.to_thread(lambda: house.lane.start(house.note("thread")))
            await house.lane.drain(WAIT_S)
            with pytest.raises(UsageError):
                house.lane.start(house.note("too late"))

        run(main())
        assert house.ran == ["loop", "thread"]

    def test_opens_again(self, house: House) -> None:
        async def main() -> None:
            house.lane.open(asyncio.get_running_loop())
            house.lane.start(house.call(lambda_like))
            await house.lane.drain(WAIT_S)

        def lambda_like() -> None:
            house.ran.append("ran")

        run(main())
        run(main())
        assert house.ran == ["ran", "ran"]


class TestStop:
    @pytest.mark.parametrize("in_a_thread", [True, False])
    def test_a_request_waits_until_a_shutdown_begins(self, house: House, in_a_thread: bool) -> None:
        async def main() -> None:
            gate = asyncio.Event()
            request = asyncio.create_task(house.lane.run_all([house.call(gate.wait), house.note("after")]))
            await turns()
            assert not request.done()
            if in_a_thread:
                await asyncio.to_thread(house.lane.begin_stop)
            else:
                house.lane.begin_stop()
            await request
            late = asyncio.create_task(house.lane.run_all([house.call(gate.wait)]))
            await late  # a request that was in flight when the shutdown began
            assert house.lane.unfinished == 3
            gate.set()
            await house.lane.drain(WAIT_S)

        run(main())
        assert house.lane.done == {"wait": 2, "note": 1}
        assert house.lane.lost == {}

    def test_a_cancelled_request_does_not_take_its_tasks_along(self, house: House) -> None:
        async def main() -> None:
            gate = asyncio.Event()
            request = asyncio.create_task(house.lane.run_all([house.call(gate.wait), house.note("after")]))
            await turns()
            request.cancel()
            await turns()
            assert request.cancelled()
            gate.set()
            await house.lane.drain(WAIT_S)

        run(main())
        assert house.ran == ["after"]

    def test_waits_for_what_the_waited_for_start(self, house: House) -> None:
        async def main() -> None:
            house.lane.open(asyncio.get_running_loop())

            async def starts_another() -> None:
                await asyncio.sleep(0)
                house.lane.start(house.note("another"))

            house.lane.start(house.call(starts_another))
            await house.lane.drain(WAIT_S)

        run(main())
        assert house.ran == ["another"]

    def test_each_unfinished_and_unstarted_task_is_named_and_counted(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        house = House(Limits(background_threads=1))
        opened, began = threading.Event(), threading.Event()

        async def main() -> None:
            cleaned = list[str]()

            async def unfinished_async() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    cleaned.append("up")

            def unfinished_sync() -> None:
                began.set()
                opened.wait(WAIT_S)

            def unstarted_sync() -> None:
                house.ran.append("must not run")

            house.lane.begin([house.call(unfinished_async), house.note("must not run")])
            house.lane.begin([house.call(unfinished_sync)])
            await asyncio.to_thread(began.wait, WAIT_S)
            house.lane.begin([house.call(unstarted_sync)])
            await turns()
            house.clock.advance(4.0)
            await house.lane.drain(0.0)
            assert cleaned == ["up"]
            assert house.lane.unfinished == 0

        run(main())
        opened.set()
        assert house.ran == []
        assert house.lane.lost == dict.fromkeys(
            ["unfinished_async", "note", "unfinished_sync", "unstarted_sync"], 1
        )
        assert sorted(line for line in caplog.messages) == [
            "note id-of-note lost by the shutdown: unstarted",
            "unfinished_async id-of-unfinished_async lost by the shutdown: unfinished after 4.000 s",
            "unfinished_sync id-of-unfinished_sync lost by the shutdown: unfinished after 4.000 s",
            "unstarted_sync id-of-unstarted_sync lost by the shutdown: unstarted",
        ]

    def test_after_one_that_swallows_its_cancellation_the_next_does_not_start(self, house: House) -> None:
        async def main() -> None:
            async def swallows() -> None:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    house.ran.append("swallowed")

            house.lane.begin([house.call(swallows), house.note("must not run")])
            await turns()
            await house.lane.drain(0.0)

        run(main())
        assert house.ran == ["swallowed"]
        assert house.lane.lost == {"note": 1}

    def test_one_that_will_not_be_cancelled_does_not_hold_up_the_end(
        self, house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(background_module, "LAST_WORDS_S", 0.01)

        async def main() -> None:
            gate = asyncio.Event()

            async def stays() -> None:
                while not gate.is_set():
                    try:
                        await gate.wait()
                    except asyncio.CancelledError:
                        house.ran.append("stays")

            house.lane.begin([house.call(stays)])
            await turns()
            await house.lane.drain(0.0)
            assert house.lane.lost == {"stays": 1}
            gate.set()
            await turns()

        run(main())
        gc.collect()  # an exception of its chain would be told now
        assert house.ran == ["stays"]
        assert [each for each in caplog.records if each.name == "asyncio"] == []

    def test_what_the_end_of_the_event_loop_takes_is_named(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            house.lane.begin([house.call(asyncio.Event().wait), house.note("must not run")])
            await turns()

        run(main())
        assert house.lane.lost == {"wait": 1, "note": 1}
        assert len(caplog.messages) == 2

    @pytest.mark.parametrize("drains_already", [True, False])
    def test_hurrying_gives_nothing_more_time(self, house: House, drains_already: bool) -> None:
        async def main() -> None:
            draining = []
            house.lane.begin([house.call(asyncio.Event().wait)])
            await turns()
            if drains_already:
                draining.append(asyncio.create_task(house.lane.drain(WAIT_S)))
                await turns()
            house.lane.hurry()
            await turns()
            assert house.lane.lost == {"wait": 1}
            if not drains_already:
                house.lane.begin([house.call(asyncio.Event().wait)])  # of a request that was in flight
                draining.append(asyncio.create_task(house.lane.drain(WAIT_S)))
            await asyncio.gather(*draining)

        run(main())
        assert house.lane.lost == {"wait": 1 if drains_already else 2}

    def test_another_event_loop_is_left_alone(self, house: House) -> None:
        began, opened = threading.Event(), threading.Event()

        def another_loop() -> None:
            async def request() -> None:
                await house.lane.run_all([house.call(waits), house.note("there")])
                await house.lane.drain(WAIT_S)

            async def waits() -> None:
                began.set()
                await asyncio.to_thread(opened.wait, WAIT_S)

            asyncio.run(request())

        async def main() -> None:
            there = asyncio.create_task(asyncio.to_thread(another_loop))
            await asyncio.to_thread(began.wait, WAIT_S)
            await house.lane.drain(0.0)
            assert house.lane.unfinished == 2
            opened.set()
            await there

        run(main())
        assert house.lane.lost == {}
