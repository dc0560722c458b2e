"""Many callers, one flush; to each its own answer."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from twolane.backends.memory import MemoryQueue
from twolane.contracts.queue import CancelMessage, Entry, Outgoing, Receive, Send, Sent
from twolane.contracts.upkeep import Prune, Reap, Reaped
from twolane.engine import batcher as module
from twolane.engine.batcher import Batcher, Pending
from twolane.testing import VirtualClock
from twolane.values.errors import QueueError, SendRefused, SendUnknown, UsageError


def send(*ids: str, body: str = "{}") -> Send:
    return Send(tuple(Outgoing(each, "default", "work", body, "digest", 0.0) for each in ids))


def ask(batcher: Batcher, entry: Entry[Any], timeout_s: float | None = None) -> Any:
    """In a loop of its own."""

    async def main() -> Any:
        return await batcher.ask(entry, timeout_s)

    return asyncio.run(main())


class Gated(MemoryQueue):
    """Holds each flush back until it is let through, and keeps what each was given."""

    def __init__(self) -> None:
        super().__init__(VirtualClock())
        self.flushes: list[list[Entry[Any]]] = []
        self.began = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.fails: Exception | None = None
        self.closed_by: str | None = None

    def flush(self, entries: Sequence[Entry[Any]]) -> list[Any]:
        self.flushes.append(list(entries))
        self.began.release()
        assert self.go.acquire(timeout=30)
        if self.fails is not None:
            raise self.fails
        return super().flush(entries)

    def close(self) -> None:
        self.closed_by = threading.current_thread().name


@pytest.fixture
def gated() -> Gated:
    return Gated()


@pytest.fixture
def batcher(gated: Gated) -> Iterator[Batcher]:
    batcher = Batcher(gated, name="flusher")
    yield batcher
    gated.go.release(1000)
    batcher.close()


@pytest.fixture
def answers() -> dict[str, Any]:
    return {}


@pytest.fixture
def submit(batcher: Batcher, answers: dict[str, Any]) -> Callable[..., None]:
    def submit(key: str, entry: Entry[Any]) -> None:
        batcher.submit(entry, lambda answer: answers.__setitem__(key, answer))

    return submit


class TestOneFlush:
    def test_takes_what_arrives_while_the_last_is_in_flight(
        self, gated: Gated, batcher: Batcher, submit: Callable[..., None]
    ) -> None:
        submit("first", send("1"))
        gated.began.acquire()
        for key in "234":
            submit(key, send(key))
        gated.go.release(2)
        gated.began.acquire()
        assert [len(flush) for flush in gated.flushes] == [1, 3]

    def test_answers_each_caller_with_its_own(
        self, gated: Gated, batcher: Batcher, submit: Callable[..., None], answers: dict[str, Any]
    ) -> None:
        submit("first", send("1"))
        gated.began.acquire()
        submit("two", send("2", "3"))
        submit("refused", send("4", body="ü"))
        submit("nobody", CancelMessage("5"))
        submit("again", send("1"))
        gated.go.release(1000)
        batcher.close()
        assert answers["first"] == (Sent("1"),)
        assert answers["two"] == (Sent("2"), Sent("3"))
        assert isinstance(answers["refused"], SendRefused)
        assert answers["nobody"] is None
        assert answers["again"] == (Sent("1", duplicate=True),)

    def test_takes_so_many_at_most(
        self, gated: Gated, batcher: Batcher, submit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_ENTRIES", 3)
        submit("first", Reap())
        gated.began.acquire()
        for key in range(7):
            submit(str(key), Reap())
        gated.go.release(1000)
        batcher.close()
        assert [len(flush) for flush in gated.flushes] == [1, 3, 3, 1]
        assert batcher.flushes == 4

    def test_of_a_hundred_coroutines(self, gated: Gated, batcher: Batcher) -> None:
        async def one(number: int) -> tuple[Sent, ...]:
            return await batcher.ask(send(str(number)))

        async def main() -> list[tuple[Sent, ...]]:
            asking = [asyncio.create_task(one(number)) for number in range(100)]
            await asyncio.to_thread(gated.began.acquire)
            gated.go.release(1000)
            return await asyncio.gather(*asking)

        assert asyncio.run(main()) == [(Sent(str(number)),) for number in range(100)]
        assert len(gated.flushes) <= 3

    def test_of_what_coroutines_ask_in_one_turn_of_their_loop(self, gated: Gated, batcher: Batcher) -> None:
        gated.go.release(1000)

        async def main() -> None:
            await asyncio.gather(*(batcher.ask(Reap()) for _ in range(20)))

        asyncio.run(main())
        assert [len(flush) for flush in gated.flushes] == [20]

    def test_of_threads_and_coroutines(self, gated: Gated, batcher: Batcher) -> None:
        gated.go.release(1000)

        async def main() -> list[Any]:
            blocking = [asyncio.to_thread(batcher.ask_blocking, send(f"t{number}")) for number in range(8)]
            return await asyncio.gather(*blocking, *(batcher.ask(send(f"c{number}")) for number in range(8)))

        expected = [(Sent(f"{kind}{number}"),) for kind in "tc" for number in range(8)]
        assert asyncio.run(main()) == expected


class TestFailure:
    def test_of_a_flush_leaves_a_send_unknown_and_tells_its_ids(
        self, gated: Gated, batcher: Batcher, submit: Callable[..., None], answers: dict[str, Any]
    ) -> None:
        gated.fails = OSError("disk full")
        submit("send", send("1", "2"))
        submit("reap", Reap())
        gated.go.release(1000)
        batcher.close()
        assert isinstance(answers["send"], SendUnknown)
        assert answers["send"].ids == ("1", "2")
        assert "disk full" in str(answers["send"])
        assert "send again under the same id" in str(answers["send"])
        assert type(answers["reap"]) is QueueError
        assert str(answers["reap"]) == "Reap ended without an answer: disk full"

    @pytest.mark.parametrize(
        ("error", "has_traceback"), [(QueueError("the disk is full"), False), (ValueError("a defect"), True)]
    )
    def test_is_said_with_a_traceback_only_where_nobody_knows_what_it_was(
        self,
        gated: Gated,
        batcher: Batcher,
        caplog: pytest.LogCaptureFixture,
        error: Exception,
        has_traceback: bool,
    ) -> None:
        gated.go.release(1000)
        gated.fails = error
        with pytest.raises(QueueError):
            batcher.ask_blocking(Reap())
        (said,) = caplog.records
        assert said.getMessage() == f"a flush of 1 entries failed, their outcome is unknown: {error}"
        assert (said.exc_info is not None) == has_traceback

    def test_is_raised_to_who_asks(self, gated: Gated, batcher: Batcher) -> None:
        gated.go.release(1000)
        with pytest.raises(SendRefused):
            batcher.ask_blocking(send("1", body="ü"))
        with pytest.raises(SendRefused):
            ask(batcher, send("1", body="ü"))
        gated.fails = OSError()
        with pytest.raises(QueueError, match="OSError"):
            batcher.ask_blocking(Reap())
        with pytest.raises(SendUnknown):
            ask(batcher, send("1"))

    def test_does_not_end_the_batcher(self, gated: Gated, batcher: Batcher) -> None:
        gated.go.release(1000)
        gated.fails = OSError()
        with pytest.raises(QueueError):
            batcher.ask_blocking(Reap())
        gated.fails = None
        assert batcher.ask_blocking(Reap()) == Reaped()

    def test_of_a_backend_that_answers_too_little_is_told_to_all(
        self, gated: Gated, batcher: Batcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gated.go.release(1000)
        monkeypatch.setattr(gated, "flush", lambda entries: [])
        with pytest.raises(QueueError, match="0 answers to 1 entries"):
            batcher.ask_blocking(Reap())
        with pytest.raises(SendUnknown):
            batcher.ask_blocking(send("1"))

    def test_of_a_caller_harms_no_other(
        self, gated: Gated, batcher: Batcher, submit: Callable[..., None], answers: dict[str, Any]
    ) -> None:
        def broken(answer: Any) -> None:
            raise ValueError

        batcher.submit(Reap(), broken)
        submit("other", Reap())
        gated.go.release(1000)
        batcher.close()
        assert answers == {"other": Reaped()}

    def test_to_answer_in_time_leaves_the_outcome_unknown(self, gated: Gated, batcher: Batcher) -> None:
        with pytest.raises(SendUnknown, match=r"no answer within 0.01 s") as caught:
            batcher.ask_blocking(send("1"), timeout_s=0.01)
        assert caught.value.ids == ("1",)
        with pytest.raises(QueueError, match="no answer within"):
            batcher.ask_blocking(Reap(), timeout_s=0.01)
        with pytest.raises(SendUnknown, match=r"no answer within 0.01 s") as caught:
            ask(batcher, send("2"), timeout_s=0.01)
        assert caught.value.ids == ("2",)

    def test_to_answer_in_time_is_each_callers_own_measure(self, gated: Gated, batcher: Batcher) -> None:
        async def main() -> list[Any]:
            first, *others = batcher.ask(send("1"), 0.01), batcher.ask(send("2")), batcher.ask(send("3"), 30)
            with pytest.raises(SendUnknown, match=r"0\.01 s"):
                await first
            gated.go.release(1000)
            return await asyncio.gather(*others)

        assert asyncio.run(main()) == [(Sent("2"),), (Sent("3"),)]

    def test_takes_one_timer_for_a_turn_and_none_behind_the_answers(
        self, gated: Gated, batcher: Batcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        timers: list[asyncio.TimerHandle] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            call_later = loop.call_later

            def noted(*args: Any) -> asyncio.TimerHandle:
                timers.append(call_later(*args))
                return timers[-1]

            monkeypatch.setattr(loop, "call_later", noted)
            gated.go.release(1000)
            await asyncio.gather(*(batcher.ask(send(str(each)), 30) for each in range(100)))

        asyncio.run(main())
        assert [timer.cancelled() for timer in timers] == [True]


class TestCallersThatLeft:
    def test_a_loop_that_closed_harms_no_other(
        self, gated: Gated, batcher: Batcher, submit: Callable[..., None], answers: dict[str, Any]
    ) -> None:
        async def leave() -> None:
            asking = asyncio.ensure_future(batcher.ask(send("1")))
            await asyncio.to_thread(gated.began.acquire)
            asking.cancel()

        asyncio.run(leave())
        submit("other", Reap())
        gated.go.release(1000)
        batcher.close()
        assert answers == {"other": Reaped()}

    def test_one_that_was_cancelled_harms_no_other_of_its_loop(self, gated: Gated, batcher: Batcher) -> None:
        async def main() -> Any:
            leaving, staying = (asyncio.ensure_future(batcher.ask(send(each))) for each in "12")
            await asyncio.to_thread(gated.began.acquire)
            leaving.cancel()
            gated.go.release(1000)
            return await staying

        assert asyncio.run(main()) == (Sent("2"),)


class TestAskThen:
    def test_answers_in_the_loop_and_goes_along_with_what_its_turn_asks(
        self, gated: Gated, batcher: Batcher
    ) -> None:
        gated.go.release(1000)

        async def main() -> list[tuple[Any, str]]:
            answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            answers: list[tuple[Any, str]] = []

            def then(answer: Any) -> None:
                answers.append((answer, threading.current_thread().name))
                if len(answers) == 2:
                    answered.set_result(None)

            batcher.ask_then(send("1"), then)
            batcher.ask_then(send("2"), then)
            await answered
            return answers

        here = threading.current_thread().name
        assert asyncio.run(main()) == [((Sent("1"),), here), ((Sent("2"),), here)]
        assert gated.flushes == [[send("1"), send("2")]]

    def test_is_answered_with_the_error_where_the_batcher_is_closed(self, batcher: Batcher) -> None:
        batcher.close()

        async def main() -> Any:
            answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            batcher.ask_then(Reap(), answered.set_result)
            return await answered

        assert isinstance(asyncio.run(main()), UsageError)

    def test_one_that_raises_harms_no_other(
        self, gated: Gated, batcher: Batcher, caplog: pytest.LogCaptureFixture
    ) -> None:
        gated.go.release(1000)

        def broken(answer: Any) -> None:
            raise RuntimeError("mine")

        async def main() -> Any:
            batcher.ask_then(send("1"), broken)
            return await batcher.ask(send("2"))

        assert asyncio.run(main()) == (Sent("2"),)
        assert "a caller could not take its answer" in caplog.text
        assert "mine" in caplog.text


class TestOffers:
    RECEIVE = Receive("w", ("default",), None, 10, 60.0)

    def test_go_along_with_each_flush_behind_what_arrived(
        self, gated: Gated, batcher: Batcher, submit: Callable[..., None], answers: dict[str, Any]
    ) -> None:
        end = batcher.offer(
            lambda: Pending(self.RECEIVE, lambda answer: answers.setdefault("offered", answer))
        )
        submit("send", send("1"))
        gated.go.release(1000)
        gated.began.acquire()
        end()
        batcher.close()
        assert gated.flushes == [[send("1"), self.RECEIVE]]
        assert [delivery.id for delivery in answers["offered"]] == ["1"]

    def test_may_offer_nothing(self, gated: Gated, batcher: Batcher) -> None:
        batcher.offer(lambda: None)
        gated.go.release(1000)
        batcher.ask_blocking(Reap())
        assert gated.flushes == [[Reap()]]

    def test_end_twice_is_harmless(self, gated: Gated, batcher: Batcher) -> None:
        end = batcher.offer(lambda: Pending(Prune(1.0), lambda _: None))
        end()
        end()
        gated.go.release(1000)
        batcher.ask_blocking(Reap())
        assert gated.flushes == [[Reap()]]

    def test_that_raise_do_not_end_the_batcher(self, gated: Gated, batcher: Batcher) -> None:
        def broken() -> Pending | None:
            raise RuntimeError

        batcher.offer(broken)
        gated.go.release(1000)
        assert batcher.ask_blocking(Reap(), timeout_s=30) == Reaped()


class TestClose:
    def test_flushes_what_has_arrived_and_closes_the_queue_in_its_thread(
        self, gated: Gated, batcher: Batcher, submit: Callable[..., None], answers: dict[str, Any]
    ) -> None:
        submit("1", send("1"))
        gated.began.acquire()
        submit("2", send("2"))
        gated.go.release(1000)
        batcher.close()
        assert answers == {"1": (Sent("1"),), "2": (Sent("2"),)}
        assert gated.closed_by == "flusher"

    def test_twice_is_harmless(self, batcher: Batcher) -> None:
        batcher.close()
        batcher.close()

    def test_ends_it(self, batcher: Batcher) -> None:
        batcher.close()
        with pytest.raises(UsageError, match="the queue is closed"):
            batcher.ask_blocking(Reap())
        with pytest.raises(UsageError, match="the queue is closed"):
            ask(batcher, Reap())


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_open_its_own(gated: Gated, batcher: Batcher) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            batcher.ask_blocking(Reap())
        except UsageError as error:
            os.write(writing, str(error).encode())
        batcher.close()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert "opened before a fork" in answer.read()
    assert os.waitpid(pid, 0)[1] == 0
