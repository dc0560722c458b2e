"""The teller: each target by itself, until it has accepted; one process at a time; bounded at the end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.clock import FakeClock
from tests.contract.house import House, InMemory
from twolane import Death, DefinitionError, Tasks
from twolane.contracts.outbox import OweNotice, RegisterTargets, SaveTarget
from twolane.contracts.queue import DeadLetterDelivery, Discard, Redrive
from twolane.engine import teller as module
from twolane.engine.batcher import Batcher
from twolane.engine.targets import REMOTE, HookTarget, LogTarget
from twolane.engine.teller import Teller
from twolane.engine.wording import Message, boxed, columns
from twolane.values.outcome import Failure, Reason
from twolane.values.telling import FORGET_S


@pytest.fixture
def house(tmp_path: Any) -> House:
    clock = FakeClock()
    return House(InMemory(tmp_path, clock), clock)


@pytest.fixture
def batcher(house: House) -> Iterator[Batcher]:
    made = Batcher(house.queue)
    yield made
    made.close()


@pytest.fixture
def die(house: House) -> Callable[..., str]:
    def die(error: str = "no seats") -> str:
        message_id = house.send()
        receipt = next(each.receipt for each in house.receive() if each.id == message_id)
        house.do(DeadLetterDelivery(receipt, Reason.GAVE_UP, Failure("ValueError", error, "", 1.0, 2.0)))
        return message_id

    return die


@pytest.fixture
def teller(house: House, batcher: Batcher) -> Callable[..., Teller]:
    def teller(*hooks: Callable[[Death], Any]) -> Teller:
        targets = [LogTarget(), *(HookTarget(hook.__name__, hook) for hook in hooks)]
        return Teller(batcher, house.records, targets, house.clock, because=lambda _: "they paid")

    return teller


def owed(house: House, target: str) -> int:
    return house.records.telling().last - house.target(target).state.told_to


class TestHooks:
    def test_get_each_death_whole(
        self, house: House, die: Callable[..., str], teller: Callable[..., Teller]
    ) -> None:
        seen: list[Death] = []

        def hook(death: Death) -> None:
            assert threading.current_thread() is not threading.main_thread()
            seen.append(death)

        ids = [die(f"order {number}") for number in range(120)]
        asyncio.run(_rounds(teller(hook), 2))

        assert [death.id for death in seen] == ids
        first = seen[0]
        assert (first.task, first.queue, first.reason, first.attempts) == (
            "app:work",
            "default",
            "gave_up",
            1,
        )
        assert (first.error_type, first.error, first.because) == ("ValueError", "order 0", "they paid")
        assert first.died_at.timestamp() == house.clock.now()
        assert first.fingerprint == seen[1].fingerprint
        assert owed(house, "hook:hook") == 0

    def test_that_are_slow_are_written_down_in_between(
        self, house: House, die: Callable[..., str], teller: Callable[..., Teller]
    ) -> None:
        known: list[int] = []

        def slow(_: Death) -> None:
            known.append(house.target("hook:slow").state.told_to)
            house.clock.advance(module.BATCH_S * 0.6)

        for _ in range(5):
            die()
        asyncio.run(_rounds(teller(slow), 3))

        assert known == [0, 0, 2, 2, 4]

    def test_that_are_async_run_in_the_loop_of_the_app(
        self, die: Callable[..., str], teller: Callable[..., Teller]
    ) -> None:
        seen: list[Any] = []

        async def hook(death: Death) -> None:
            await asyncio.sleep(0)
            seen.append((death.id, asyncio.get_running_loop()))

        message_id = die()

        async def main() -> None:
            await teller(hook).settle()
            assert seen == [(message_id, asyncio.get_running_loop())]

        asyncio.run(main())

    @pytest.mark.parametrize("error", [ValueError("not today"), SystemExit(3)])
    def test_one_that_raises_is_logged_and_tried_again_and_blocks_nobody(
        self,
        house: House,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        caplog: pytest.LogCaptureFixture,
        error: BaseException,
    ) -> None:
        seen: list[str] = []
        calls: list[str] = []

        def bad(death: Death) -> None:
            calls.append(death.id)
            if len(calls) < 3:
                raise error

        def good(death: Death) -> None:
            seen.append(death.id)

        ids = [die(), die()]
        telling = teller(bad, good)

        async def main() -> None:
            await _rounds(telling, 3)
            assert seen == ids
            assert calls == ids[:1], "not before its pause is over"
            assert "hook bad did not accept an alert" in caplog.text
            assert "died: gave_up" in caplog.text
            state = house.target("hook:bad").state
            assert (state.told_to, state.tries) == (0, 1)
            house.clock.advance(5)
            await telling.settle()
            house.clock.advance(10)
            await _rounds(telling, 2)

        asyncio.run(main())
        assert calls == [ids[0], ids[0], ids[0], ids[1]]
        assert owed(house, "hook:bad") == 0

    def test_one_that_is_down_for_hours_is_said_once_an_hour_and_when_it_is_back(
        self,
        house: House,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        wrong: list[str] = ["no route to host"]

        def hook(_: Death) -> None:
            if wrong:
                raise OSError(wrong[-1])

        die()
        telling = teller(hook)

        def said() -> int:
            return caplog.text.count("hook hook did not accept an alert")

        async def main() -> None:
            for _ in range(240):
                await telling.settle()
                house.clock.advance(30)
            assert said() == 2
            assert house.target("hook:hook").state.tries == 240
            wrong.append("connection refused")
            await telling.settle()
            assert said() == 3, "it is something else"
            assert "accepts alerts again" not in caplog.text
            wrong.clear()
            house.clock.advance(30)
            await telling.settle()

        asyncio.run(main())
        assert said() == 3
        assert caplog.text.count("hook hook accepts alerts again, at its try 242") == 1

    @pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
    def test_an_async_one_cannot_end_the_app_nor_its_own_telling(
        self,
        house: House,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        error: type[BaseException],
    ) -> None:
        async def hook(_: Death) -> None:
            raise error

        die()
        asyncio.run(_rounds(teller(hook), 1))
        assert f"it raised {error.__name__}" in (house.target("hook:hook").state.error or "")

    def test_one_that_hangs_blocks_nobody_nor_the_end(
        self,
        house: House,
        die: Callable[..., str],
        teller: Callable[..., Teller],
    ) -> None:
        free, seen = threading.Event(), list[str]()

        def stuck(_: Death) -> None:
            free.wait()

        def good(death: Death) -> None:
            seen.append(death.id)

        die()
        telling = teller(stuck, good)
        telling._targets[
            "hook:stuck"
        ].timeout_s = 0.05  # of that one: a busy machine may need longer for the other

        async def main() -> None:
            await telling.settle()
            assert "no answer within 0.05 s" in (house.target("hook:stuck").state.error or "")
            house.clock.advance(5)
            await telling.settle()
            assert "an earlier try still hangs" in (house.target("hook:stuck").state.error or "")
            await telling.finish()

        asyncio.run(main())
        free.set()
        assert len(seen) == 1

    def test_others_are_told_while_one_hangs(
        self, die: Callable[..., str], teller: Callable[..., Teller]
    ) -> None:
        hangs, free, told = threading.Event(), threading.Event(), threading.Event()

        def a_stuck(_: Death) -> None:
            hangs.set()
            free.wait()

        def good(_: Death) -> None:
            assert hangs.wait(30)
            told.set()

        die()
        telling = teller(a_stuck, good)

        async def main() -> None:
            await telling.look()
            try:
                assert await asyncio.to_thread(told.wait, 30)
                assert "hook:a_stuck" in telling._busy
            finally:
                free.set()
            await telling.finish()

        asyncio.run(main())

    def test_get_no_notices(
        self, house: House, teller: Callable[..., Teller], caplog: pytest.LogCaptureFixture
    ) -> None:
        house.do(OweNotice("disk", "The disk is full", "Make room."))
        seen: list[Death] = []

        def hook(death: Death) -> None:
            seen.append(death)

        asyncio.run(_rounds(teller(hook), 1))
        assert seen == []
        assert owed(house, "hook:hook") == 0
        assert "The disk is full" in caplog.text

    def test_are_named_by_their_function(self) -> None:
        tasks = Tasks()

        @tasks.on_death
        def hook(death: Death) -> None: ...

        assert list(tasks.registry.hooks) == [f"{__name__}:{hook.__qualname__}"]
        assert callable(hook), "it stays itself"
        with pytest.raises(DefinitionError, match="there is a hook named"):
            tasks.on_death(hook)


class TestSomebodyWasFaster:
    """What was done about a dead letter before a target that was down could be told of it."""

    def told(self, caplog: pytest.LogCaptureFixture) -> str:
        return "".join(each.getMessage() for each in caplog.records if each.name == "twolane.alert")

    def test_one_that_was_sent_back_is_told_as_it_died(
        self,
        house: House,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        seen: list[Death] = []

        def hook(death: Death) -> None:
            seen.append(death)

        message_id, died_at = die(), house.clock.now()
        house.do(Redrive(message_id))
        house.clock.advance(60)
        asyncio.run(_rounds(teller(hook), 1))
        text = self.told(caplog)
        assert "task app:work died: gave_up" in text
        assert "ValueError: no seats" in text
        assert "Somebody has sent it back meanwhile: it is waiting now." in text
        assert f"See it: twolane status {message_id}" in text
        assert "It is kept" not in text
        assert [(death.reason, death.died_at.timestamp()) for death in seen] == [("gave_up", died_at)]

    @pytest.mark.parametrize("count", [1, 30])
    def test_of_one_that_was_discarded_only_the_kind_of_error_is_told(
        self,
        house: House,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        caplog: pytest.LogCaptureFixture,
        count: int,
    ) -> None:
        """With its arguments gone nobody knows whether there is a secret in the error's text."""
        for _ in range(count):
            house.do(Discard(die("hunter2 is no password")))
        asyncio.run(_rounds(teller(), 1))
        text = self.told(caplog)
        assert "gave_up" in text
        assert "ValueError" in text
        assert "hunter2" not in text
        if count == 1:
            assert "Somebody has discarded it meanwhile" in text


class TestSeveralProcesses:
    def test_one_tells(self, house: House, die: Callable[..., str], teller: Callable[..., Teller]) -> None:
        seen: list[str] = []

        def hook(death: Death) -> None:
            seen.append(death.id)

        for _ in range(20):
            die()
        tellers = [teller(hook) for _ in range(3)]

        async def main() -> None:
            await asyncio.gather(*(telling.settle() for telling in tellers))
            await asyncio.gather(*(telling.settle() for telling in tellers))

        asyncio.run(main())
        assert len(seen) == 20

    @pytest.mark.parametrize("jump_s", [40.0, -7200.0])
    def test_what_one_took_and_never_marked_is_told_by_another(
        self,
        house: House,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        jump_s: float,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        house.do(RegisterTargets((("log", "the log"),)))
        die()
        row = house.target("log")
        assert house.do(SaveTarget("log", row.version, row.state, leased_until=house.clock.now() + 10))

        async def main() -> None:
            telling = teller()
            await telling.settle()
            assert "died" not in caplog.text, "another process tells it now"
            house.clock.advance(jump_s)
            await telling.settle()

        asyncio.run(main())
        assert caplog.text.count("died: gave_up") == 1

    def test_who_lost_its_lease_writes_nothing_down(
        self, house: House, die: Callable[..., str], teller: Callable[..., Teller]
    ) -> None:
        def hook(_: Death) -> None:
            row = house.target("hook:hook")
            house.do(SaveTarget(row.id, row.version, row.state))

        die()
        asyncio.run(_rounds(teller(hook), 1))
        assert owed(house, "hook:hook") == 1


class TestLoop:
    def test_an_app_whose_own_threads_are_all_busy_holds_up_no_telling(
        self, house: House, die: Callable[..., str], teller: Callable[..., Teller]
    ) -> None:
        told, free = threading.Event(), threading.Event()

        def hook(_: Death) -> None:
            told.set()

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(ThreadPoolExecutor(1))
            busy = loop.run_in_executor(None, free.wait)
            telling = teller(hook)
            try:
                async with asyncio.timeout(10):
                    await telling.settle()
            finally:
                free.set()
                await busy
                await telling.finish()

        die()
        asyncio.run(main())
        assert told.is_set()

    def test_a_death_wakes_it_and_nothing_is_written_while_nothing_is_owed(
        self, house: House, die: Callable[..., str], teller: Callable[..., Teller], batcher: Batcher
    ) -> None:
        told = threading.Event()

        def hook(_: Death) -> None:
            told.set()

        async def main() -> None:
            telling = teller(hook)
            telling.start()
            while len(house.records.telling().targets) < 2:
                await asyncio.sleep(0)
            await telling.look()
            quiet = batcher.flushes
            for _ in range(5):
                await telling.look()
            assert batcher.flushes == quiet
            await asyncio.to_thread(die)
            telling.wake()
            assert await asyncio.to_thread(told.wait, 30)
            await telling.finish()

        asyncio.run(main())
        assert house.records.stats().owed_alerts == 0

    def test_the_first_of_another_kind_goes_at_once_while_one_waits(
        self, house: House, die: Callable[..., str], batcher: Batcher
    ) -> None:
        told: list[str] = []

        class Phone(LogTarget):
            def tell(self, part: Message) -> None:
                told.append(part.title)

        async def main() -> None:
            telling = Teller(batcher, house.records, [Phone(REMOTE)], house.clock)
            for error in ("no seats", "no seats", "no seats"):
                die(error)
                telling.wake()
                await telling.settle()
            assert len(told) == 1, "of one kind, a minute long"
            die("the disk is full")
            telling.wake()
            await telling.settle()
            assert len(told) == 2

        asyncio.run(main())

    def test_who_was_forgotten_is_named_again_at_once(
        self, house: House, die: Callable[..., str], teller: Callable[..., Teller]
    ) -> None:
        told: list[str] = []

        def hook(death: Death) -> None:
            told.append(death.id)

        async def main() -> None:
            telling = teller(hook)
            await telling.settle()
            house.clock.set_forward(FORGET_S + 1)
            house.do(
                RegisterTargets((("another", "Another process's"),))
            )  # it forgets who was not seen for so long
            dead = die()
            telling.wake()
            await _rounds(telling, 2)
            assert told == [dead]

        asyncio.run(main())

    def test_a_target_that_takes_long_to_be_ready_is_waited_for(
        self,
        house: House,
        die: Callable[..., str],
        batcher: Batcher,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """An import on a slow machine is no answer that did not come."""
        ready, told = threading.Event(), threading.Event()

        class Slow(LogTarget):
            def problem(self) -> None:
                ready.wait()

            def tell(self, part: Message) -> None:
                assert ready.is_set()
                told.set()

        async def main() -> None:
            telling = Teller(batcher, house.records, [Slow()], house.clock)
            telling.start()
            await telling.look()
            assert telling._busy
            await asyncio.sleep(0)
            assert not house.target("log").state.sent, "nothing was tried yet"
            ready.set()
            assert await asyncio.to_thread(told.wait, 30)
            await telling.finish()

        die()
        asyncio.run(main())

    def test_a_queue_that_fails_is_asked_again(
        self,
        house: House,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        die()

        async def main() -> None:
            telling = teller()
            with monkeypatch.context() as broken:
                broken.setattr(house.queue, "flush", lambda _: 1 / 0)
                await telling.settle()
            assert "owed alerts cannot be read now" in caplog.text
            await telling.settle()

        asyncio.run(main())
        assert house.records.stats().owed_alerts == 0

    def test_a_queue_that_takes_no_writes_for_long_is_said_once_and_nobody_is_told_twice(
        self,
        house: House,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def main() -> None:
            telling = teller()
            await telling.settle()
            die()
            with monkeypatch.context() as full:
                full.setattr(house.queue, "flush", lambda _: 1 / 0)
                for _ in range(100):
                    await telling.settle()
                    house.clock.advance(2)
            assert caplog.text.count("cannot be written down now") == 1
            assert "died: gave_up" not in caplog.text, "what was not taken first is not told"
            await telling.settle()

        asyncio.run(main())
        assert caplog.text.count("died: gave_up") == 1

    def test_the_end_is_bounded(
        self,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(module, "FINISH_S", 0.05)
        free = threading.Event()

        def stuck(_: Death) -> None:
            free.wait()

        die()

        async def main() -> None:
            telling = teller(stuck)
            await telling.look()
            die()
            async with asyncio.timeout(10):
                await telling.finish()

        asyncio.run(main())
        free.set()
        assert "the next one tells them" in caplog.text

    def test_one_that_hangs_keeps_no_other_from_its_last_word(
        self,
        house: House,
        die: Callable[..., str],
        batcher: Batcher,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(module, "FINISH_S", 60.0)
        free, told = threading.Event(), list[str]()

        class LastWord(LogTarget):
            def tell(self, part: Message) -> None:
                told.append(part.title)
                if len(told) == 2:
                    free.set()

        def a_stuck(_: Death) -> None:
            free.wait()

        die()

        async def main() -> None:
            telling = Teller(
                batcher, house.records, [LastWord(), HookTarget("a_stuck", a_stuck)], house.clock
            )
            await telling.look()
            die()
            await telling.finish()

        asyncio.run(main())
        assert told == ["task app:work died: gave_up"] * 2


async def _rounds(telling: Teller, count: int) -> None:
    for _ in range(count):
        await telling.settle()


class Broken(logging.Handler):
    """A handler over a full device."""

    def emit(self, record: logging.LogRecord) -> None:
        self.handleError(record)


class TestLog:
    @pytest.fixture
    def logger(self) -> Iterator[logging.Logger]:
        logger = logging.getLogger("twolane.alert")
        before = logger.handlers, logger.propagate, logger.disabled
        yield logger
        logger.handlers, logger.propagate, logger.disabled = before

    def test_is_told_in_a_box(
        self, die: Callable[..., str], teller: Callable[..., Teller], caplog: pytest.LogCaptureFixture
    ) -> None:
        message_id = die("no \x1b[31mseats\n" + "x" * 300)
        asyncio.run(_rounds(teller(), 1))
        [record] = [each for each in caplog.records if each.name == "twolane.alert"]
        lines = record.getMessage().strip().splitlines()
        assert record.levelname == "ERROR"
        assert {len(line) for line in lines} == {96}
        assert "\x1b" not in record.getMessage()
        assert f"twolane dead redrive {message_id}" in record.getMessage()

    def test_a_box_is_closed_whatever_the_script(self) -> None:
        long = "航班没有座位" * 40, "e\u0301" * 200, "no seats left " * 20, " x" * 3
        boxes = boxed(Message("größer 中文 ブ\u0301", "한국어 e\u0301\n" + "\n".join(long)))
        lines = boxes.strip().splitlines()
        assert {columns(line) for line in lines} == {96}
        told = "".join(line[2:-2] for line in lines).replace(" ", "")
        assert all(line.replace(" ", "") in told for line in long), "nothing of it is gone"

    def test_that_is_muted_swallows_no_death(
        self,
        logger: logging.Logger,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        logger.disabled = True
        die()
        asyncio.run(_rounds(teller(), 1))
        assert "task app:work died" in capsys.readouterr().err

    def test_whose_handler_fails_has_not_been_told(
        self,
        house: House,
        logger: logging.Logger,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(logging, "raiseExceptions", False)
        broken = Broken()
        logger.handlers, logger.propagate = [broken], False
        die()
        asyncio.run(_rounds(teller(), 1))
        assert "task app:work died" in capsys.readouterr().err, "standard error is the last resort"
        assert "handleError" not in vars(broken)
        die()
        monkeypatch.setattr("sys.stderr", None)
        asyncio.run(_rounds(teller(), 1))
        assert owed(house, "log") == 1
        assert "no handler of the log took it" in (house.target("log").state.error or "")

    def test_one_handler_that_takes_it_is_enough(
        self,
        house: House,
        logger: logging.Logger,
        die: Callable[..., str],
        teller: Callable[..., Teller],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(logging, "raiseExceptions", False)
        kept: list[logging.LogRecord] = []

        class Keeps(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                kept.append(record)

        logger.handlers, logger.propagate = [Broken(), Keeps()], False
        die()
        asyncio.run(_rounds(teller(), 1))
        assert len(kept) == 1
        assert owed(house, "log") == 0
