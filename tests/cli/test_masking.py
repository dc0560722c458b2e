"""No command shows a secret, wherever in a message it turns up."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from tests.cli.conftest import Shop
from twolane import Tasks
from twolane.contracts import queue as q
from twolane.engine.masking import MASK
from twolane.values.outcome import Failure, Reason

WORD, CARD, LINK = "correct horse", "4000-0000-0000-0002", "postgres://ann:pa%20ss@db.example.org/app"
FAILURE = Failure("ValueError", f"{CARD} was refused for {WORD}", f'  log_in("{WORD}")\n{LINK}', 1.0, 2.0)


@dataclass
class Place:
    address: str
    id: str
    shop: Shop

    def run(self, *words: str) -> str:
        done = self.shop.run(*words, TWOLANE_QUEUE=self.address)
        return done.out + done.err

    def do(self, *entries: q.Entry[object]) -> None:
        tasks = Tasks(queue=self.address, worker="off")
        for entry in entries:
            tasks.runtime.batcher.ask_blocking(entry)
        tasks.close()


@pytest.fixture
def place(shop: Shop) -> Place:
    """A message that has failed once, its secrets in its arguments, its cursor, its key and its error."""
    address = f"sqlite:///{shop.folder / 'secrets.db'}"
    tasks = Tasks(queue=address, worker="off")

    @tasks.task(if_lost="alert", name="log_in", unique_key="{password}")
    def log_in(password: str, card: SecretStr, note: str) -> None: ...

    message_id = tasks.send_blocking(log_in, WORD, SecretStr(CARD), f"for {CARD}").id
    ask = tasks.runtime.batcher.ask_blocking
    (delivery,) = ask(q.Receive("w", ("default",), None, 1, 60.0))
    ask(q.SaveCheckpoint(delivery.receipt, {"token": "t0ken", "at": WORD}, 1.0, 2.0))
    ask(q.RetryDelivery(delivery.receipt, 0.0, FAILURE))
    tasks.close()
    return Place(address, message_id, shop)


def assert_masked(shown: str) -> None:
    assert MASK in shown
    for secret in (WORD, CARD, "pa%20ss", "t0ken"):
        assert secret not in shown


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_status(place: Place, more: tuple[str, ...]) -> None:
    shown = place.run("status", place.id, *more)
    assert_masked(shown)
    for told in ("note", "ValueError", f"{MASK}@db.example.org"):
        assert told in shown


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_dead_letters(place: Place, more: tuple[str, ...]) -> None:
    tasks = Tasks(queue=place.address, worker="off")
    (delivery,) = tasks.runtime.batcher.ask_blocking(q.Receive("w", ("default",), None, 1, 60.0))
    tasks.close()
    place.do(q.DeadLetterDelivery(delivery.receipt, Reason.GAVE_UP, FAILURE, f"{CARD} is refused"))
    assert_masked(place.run("dead", "show", place.id, *more))
    assert CARD not in place.run("dead", "list", *more)
    assert WORD not in place.run("dead", "list", *more)


def test_what_is_masked_cannot_be_sent_back_as_an_argument(place: Place) -> None:
    told = place.shop.run(
        "dead",
        "redrive",
        place.shop.ids["dead"],
        "--args",
        f'{{"order": 7, "note": "{MASK}"}}',
        "--app",
        "shop:tasks",
    )
    assert told.code != 0
    assert "stands for a secret that is not shown" in told.err


def test_long_values_are_clipped_for_the_screen_only(place: Place) -> None:
    tasks = Tasks(queue=place.address, worker="off")

    @tasks.task(if_lost="alert", name="long")
    def long(text: str) -> None: ...

    message_id = tasks.send_blocking(long, "x" * 1000).id
    tasks.close()
    assert "(1002 characters)" in place.run("status", message_id)
    assert "x" * 1000 in place.run("status", message_id, "--json")
