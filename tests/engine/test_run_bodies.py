"""One delivery, run: what a body may be, and the blobs it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, model_validator

from twolane import Blob, Tasks
from twolane.backends.memory import MemoryBlobs
from twolane.engine.hold import Hold
from twolane.engine.run import Ran
from twolane.engine.uploads import pending
from twolane.testing import VirtualClock
from twolane.values import outcome as did
from twolane.values.outcome import Reason

Held = Callable[..., Hold]
Do = Callable[[Hold], Ran]


def failure_of(ran: Ran) -> did.Failure:
    failure: did.Failure = ran.outcome.failure  # type: ignore[union-attr]
    return failure


class TestBodies:
    def edited(self, hold: Hold, **changes: Any) -> Hold:
        body = json.dumps({**json.loads(hold.delivery.body), **changes})
        return Hold(hold.delivery._replace(body=body))

    @pytest.fixture
    def hold(self, tasks: Tasks, held: Held) -> Hold:
        @tasks.task(if_lost="alert", name="work", patience_s=60, max_attempts=9)
        def work(seats: int) -> int:
            return seats

        return held(work, 7)

    @pytest.mark.parametrize(
        "body", ["", "no json", "[]", "{}", '{"v":0}', '{"v":true}', '{"v":1}', "[" * 100_000]
    )
    def test_that_are_no_envelope_are_unreadable(
        self, hold: Hold, do: Do, body: str, steps: list[str]
    ) -> None:
        outcome = do(Hold(hold.delivery._replace(body=body))).outcome
        assert isinstance(outcome, did.Unrunnable)
        assert outcome.reason is Reason.UNREADABLE
        assert outcome.failure.traceback == ""
        assert steps == ["read"]

    def test_of_a_newer_version_are_not_understood(self, hold: Hold, do: Do) -> None:
        outcome = do(self.edited(hold, v=2)).outcome
        assert isinstance(outcome, did.NotUnderstood)
        assert (outcome.reason, outcome.waited_s, outcome.patience_s) == (Reason.UNKNOWN_VERSION, 0.0, 3600.0)

    def test_of_an_unknown_task_are_not_understood_as_long_as_the_message_says(
        self, hold: Hold, do: Do
    ) -> None:
        outcome = do(self.edited(hold, task="other")).outcome
        assert isinstance(outcome, did.NotUnderstood)
        assert (outcome.reason, outcome.patience_s) == (Reason.UNKNOWN_TASK, 60.0)
        assert "no task named other" in outcome.failure.message

    def test_of_a_background_task_are_not_understood(self, hold: Hold, do: Do, tasks: Tasks) -> None:
        tasks.task(if_lost="ignore", name="greet")(lambda: None)
        outcome = do(self.edited(hold, task="greet")).outcome
        assert isinstance(outcome, did.NotUnderstood)
        assert outcome.reason is Reason.UNKNOWN_TASK, "whatever its arguments"

    @pytest.mark.parametrize("args", [{}, {"seats": "many"}, {"seats": 1, "more": 2}])
    def test_whose_arguments_do_not_fit_are_not_understood(self, hold: Hold, do: Do, args: Any) -> None:
        outcome = do(self.edited(hold, args=args)).outcome
        assert isinstance(outcome, did.NotUnderstood)
        assert (outcome.reason, outcome.patience_s) == (Reason.INVALID_ARGUMENTS, 60.0)
        assert "many" not in outcome.failure.message

    def test_have_waited_since_they_first_were_not_understood(
        self, hold: Hold, do: Do, clock: VirtualClock
    ) -> None:
        waiting = Hold(self.edited(hold, task="other").delivery._replace(waits_since=clock.now() - 25))
        outcome = do(waiting).outcome
        assert isinstance(outcome, did.NotUnderstood)
        assert outcome.waited_s == 25

    def test_that_expired_are_not_run(self, hold: Hold, do: Do, clock: VirtualClock) -> None:
        expiring = self.edited(hold, expires_at=clock.now() + 5)
        assert do(expiring).outcome == did.Succeeded(7)
        clock.advance(5)
        outcome = do(expiring).outcome
        assert isinstance(outcome, did.Unrunnable)
        assert outcome.reason is Reason.EXPIRED

    def test_whose_validator_raises_anything_fail_with_its_traceback(
        self, tasks: Tasks, held: Held, do: Do, caplog: pytest.LogCaptureFixture
    ) -> None:
        fine = True

        class Picky(BaseModel):
            @model_validator(mode="after")
            def check(self) -> Picky:
                if not fine:
                    raise KeyError("not today")
                return self

        def work(picky: Picky) -> None: ...

        work.__annotations__["picky"] = Picky
        hold = held(tasks.task(if_lost="alert", max_attempts=9)(work), Picky())
        fine = False
        ran = do(hold)
        assert isinstance(ran.outcome, did.Failed)
        assert ran.policy.max_attempts == 9
        assert "in check" in failure_of(ran).traceback
        assert "defect of twolane" not in caplog.text


class TestBlobs:
    def test_are_bound_to_their_store(self, tasks: Tasks, held: Held, do: Do) -> None:
        @tasks.task(if_lost="alert")
        def read(upload: Blob) -> str:
            with upload.open() as file:
                file.seek(1)
                return file.read().decode()

        assert do(held(read, pending(b"hello", limit_bytes=10))).outcome == did.Succeeded("ello")

    def test_that_hold_large_arguments_are_read(self, tasks: Tasks, held: Held, do: Do) -> None:
        @tasks.task(if_lost="alert")
        async def count(text: str) -> int:
            return len(text)

        assert do(held(count, "x" * 5000)).outcome == did.Succeeded(5000)

    def test_that_are_gone_fail_by_the_policy_of_the_task(
        self, tasks: Tasks, held: Held, do: Do, blobs: MemoryBlobs
    ) -> None:
        @tasks.task(if_lost="alert", max_attempts=9)
        async def count(text: str) -> int:
            return len(text)

        hold = held(count, "x" * 5000)
        ((key, _),) = blobs.stored()
        blobs.delete(key)
        ran = do(hold)
        assert isinstance(ran.outcome, did.Failed)
        assert (ran.policy.max_attempts, failure_of(ran).error_type) == (9, "BlobMissing")
