from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolane import GiveUp, TaskContext, Tasks
from twolane.engine.public_sentence import MAX_CHARS, public_sentence
from twolane.pytest_plugin import OpenInbox


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (None, None),
        ("", ""),
        ("Your card has expired.", "Your card has expired."),
        ("  two\r\nlines\tand a\x00\x1b[2J bell\x07 ", "two lines and a [2J bell"),
        ("turned \u202eround", "turned round"),
        ("\ud800", ""),
        ("نمی‌شود", "نمی‌شود"),
        (7, "7"),
        ("x" * 501, "x" * 499 + "…"),
    ],
)
def test_plain_text_of_one_line(said: object, kept: str | None) -> None:
    assert public_sentence(said) == kept


@given(st.text())
def test_any_text(said: str) -> None:
    kept = public_sentence(said)
    assert kept is not None
    assert len(kept) <= MAX_CHARS
    assert not [char for char in kept if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    json.dumps(kept, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "options", [{}, {"max_attempts": 1}, {"retry_on": (OSError,)}, {"give_up_on": (GiveUp,)}]
)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_it_reaches_the_record_however_the_task_ends(
    twolane: OpenInbox, kind: str, options: dict[str, object]
) -> None:
    tasks = Tasks()

    def give_up(attempt: int) -> None:
        if attempt < 2 and options.get("max_attempts") != 1 and "retry_on" not in options:
            raise OSError
        raise GiveUp("the card of customer 7", public="Your card\nhas expired.") from ValueError("inside")

    def in_a_thread(ctx: TaskContext) -> None:
        give_up(ctx.attempt)

    async def on_the_loop(ctx: TaskContext) -> None:
        give_up(ctx.attempt)

    work = tasks.task(if_lost="alert", **options)({"sync": in_a_thread, "async": on_the_loop}[kind])  # type: ignore[call-overload]
    inbox = twolane(tasks)
    ticket = tasks.send_blocking(work)
    inbox.drain()
    inbox.clock.advance(3600)
    inbox.drain()
    record = tasks.record(ticket.id)
    assert record is not None
    assert (record.state, record.reason, record.public) == ("dead", "gave_up", "Your card has expired.")
    [letter] = inbox.dead()
    assert letter.record == record
