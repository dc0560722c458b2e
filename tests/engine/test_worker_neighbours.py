"""What one delivery does to itself must reach none that runs beside it, nor the worker."""

from __future__ import annotations

import asyncio
import gc
from contextvars import ContextVar
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from twolane import Lanes, Tasks, given
from twolane.contracts.queue import Delivery
from twolane.contracts.upkeep import Reap
from twolane.engine.deadlines import Deadlines
from twolane.engine.hold import Hold
from twolane.engine.on_loop import LoopCall
from twolane.testing import VirtualClock
from twolane.values.record import State

seen = ContextVar("seen", default="nothing")


class Validator:
    """Raises `error` for a bad word, once there is one; sets a context variable, and notes what that was before."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.before: list[str] = []

    def __call__(self, word: str) -> str:
        self.before.append(seen.get())
        if word == "bad" and self.error is not None:
            raise self.error
        seen.set(word)
        return word


validator = Validator()

Word = Annotated[str, AfterValidator(validator)]


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    validator.error = None
    validator.before.clear()


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), GeneratorExit()], ids=repr)
def test_a_validator_that_raises_what_is_no_exception_fails_its_own_attempt(
    tasks: Tasks, work: Any, error: BaseException
) -> None:
    @tasks.task(if_lost="alert", max_attempts=1)
    async def one(word: Word) -> str:
        return word

    async def main() -> None:
        async with work() as worker:
            # stored, and so received, by one flush
            sending = asyncio.gather(*[worker.send(one, word) for word in ("good", "bad", "better")])
            await asyncio.sleep(0)
            validator.error = error
            good, bad, better = await sending
            await worker.steps.until("settled", 3)
            assert [worker.record(each).result for each in (good, better)] == ["good", "better"]
            (attempt,) = worker.records.attempts(bad)
            assert attempt.failure.error_type == type(error).__name__
            assert worker.record(bad).state is State.DEAD

    asyncio.run(main())


@pytest.mark.parametrize("error", [GeneratorExit(), asyncio.CancelledError(), SystemExit(3)], ids=repr)
def test_a_function_that_raises_what_is_no_exception_fails_its_own_attempt(
    tasks: Tasks, work: Any, error: BaseException
) -> None:
    @tasks.task(if_lost="alert", max_attempts=1)
    async def one() -> None:
        raise error

    async def main() -> None:
        async with work() as worker:
            message_id = await worker.send(one)
            await worker.steps.until("settled", 1)
            (attempt,) = worker.records.attempts(message_id)
            told = "RuntimeError" if isinstance(error, SystemExit) else type(error).__name__
            assert attempt.failure.error_type == told
            assert worker.record(message_id).state is State.DEAD

    asyncio.run(main())


def test_what_is_cancelled_before_its_first_step_is_told_all_the_same() -> None:
    ran: list[str] = []
    told: list[BaseException | None] = []

    async def one() -> None:
        ran.append("one")

    async def main() -> None:
        hold = Hold(Delivery("id", "default", "one", "", "receipt", 1, 0.0, 60.0))
        call = LoopCall("one", hold, lambda result, error, stuck: told.append(error), Deadlines())
        before = asyncio.all_tasks()
        call.start(one, (), {}, 300.0)
        (running,) = asyncio.all_tasks() - before
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())
    assert not ran
    assert [type(error) for error in told] == [asyncio.CancelledError]


def test_what_a_validator_puts_in_the_context_stays_with_its_delivery(tasks: Tasks, work: Any) -> None:
    @tasks.task(if_lost="alert")
    async def one(word: Word) -> str:
        return seen.get()

    async def main() -> None:
        async with work() as worker:
            ids = await asyncio.gather(*[worker.send(one, word) for word in ("a", "b")])
            await worker.steps.until("settled", 2)
            assert validator.before == ["nothing"] * 4, "sent and run, each in a context of its own"
            assert [worker.record(each).result for each in ids] == ["a", "b"]

    asyncio.run(main())


def test_a_task_that_nothing_else_refers_to_is_kept_alive(
    tasks: Tasks, work: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []

    @tasks.task(if_lost="alert")
    async def endless() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except BaseException as error:
            ended.append(type(error).__name__)
            raise

    async def main() -> None:
        async with work() as worker:
            await worker.send(endless)
            await worker.steps.until("call", 1)
            await asyncio.sleep(0)  # it begins
            gc.collect()
            assert ended == []
            await worker.runtime.stop(0)

    asyncio.run(main())
    assert ended == ["CancelledError"]
    assert "destroyed" not in caplog.text


async def plain(word: str) -> str:
    return word


async def filled(word: str, lanes: Lanes = given) -> str:
    return word


@pytest.mark.parametrize("function", [plain, filled])
def test_what_has_ended_leaves_nothing_to_the_garbage_collector(
    tasks: Tasks, work: Any, function: Any
) -> None:
    task = tasks.task(if_lost="alert")(function)

    async def main() -> None:
        async with work() as worker:
            message = await worker.send(task, "a")
            await worker.steps.until("settled", 1)
            await worker.runtime.stop(0)
            assert [each for each in gc.get_objects() if is_held(each, message)] == []

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def is_held(found: object, message: str) -> bool:
    return type(found) is Hold and found.delivery.id == message


def test_one_that_cannot_be_settled_is_told_and_held_no_longer(
    tasks: Tasks, work: Any, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    @tasks.task(if_lost="alert", name="one")
    async def one() -> str:
        return "done"

    async def main() -> None:
        async with work() as worker:
            steps, failed = worker.steps, asyncio.Event()

            def observe(step: str, delivery: Delivery) -> None:
                if step == "settle" and not failed.is_set():
                    failed.set()
                    raise ZeroDivisionError
                steps(step, delivery)

            await worker.runtime.stop(0)
            worker.runtime.observer = observe
            await worker.runtime.start()
            message = await worker.send(one)
            await failed.wait()
            assert worker.runtime._worker.holds() == []
            assert worker.record(message).state is State.RUNNING
            clock.advance(3600)
            await worker.runtime.batcher.ask(Reap())
            await steps.until("settled", 1)
            assert worker.record(message).result == "done"

    asyncio.run(main())
    assert "was not settled: another worker runs it when its lease ends" in caplog.text


def test_a_loop_that_is_closed_under_it_uses_no_attempt(tasks: Tasks, work: Any) -> None:
    """As asyncio.run ends where a server was told twice to stop: all tasks are cancelled, and nobody drains."""

    @tasks.task(if_lost="alert")
    async def endless() -> None:
        await asyncio.Event().wait()

    async def begin() -> tuple[Any, Any, str]:
        manager = work()
        worker = await manager.__aenter__()
        message = await worker.send(endless)
        await worker.steps.until("call", 1)
        await asyncio.sleep(0)  # it begins
        return manager, worker, message

    async def cancel_all() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    with asyncio.Runner() as runner:
        manager, worker, message = runner.run(begin())
        runner.run(cancel_all())
        runner.run(manager.__aexit__(None, None, None))
    record = worker.record(message)
    assert (record.state, record.attempt, record.deliveries) == (State.WAITING, 1, 1)
    assert worker.records.attempts(message) == ()


def test_one_that_cancels_itself_has_failed(tasks: Tasks, work: Any) -> None:
    @tasks.task(if_lost="alert", max_attempts=1)
    async def selfish() -> None:
        running = asyncio.current_task()
        assert running is not None
        running.cancel()
        await asyncio.sleep(0)

    async def main() -> None:
        async with work() as worker:
            message = await worker.send(selfish)
            await worker.steps.until("settled", 1)
            (attempt,) = worker.records.attempts(message)
            assert attempt.failure.error_type == "CancelledError"

    asyncio.run(main())
