"""Targets of TWOLANE_ALERTS over real parts: a web inbox and a mail server on this machine."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apprise
import pytest

from tests.clock import FakeClock
from tests.contract.house import House, InSqlite
from tests.inbox import WebInbox, mail_inbox, web_inbox
from tests.logged import Logged
from twolane.contracts.outbox import OweNotice
from twolane.contracts.queue import DeadLetterDelivery, Send
from twolane.engine.batcher import Batcher
from twolane.engine.targets import LogTarget
from twolane.engine.teller import Teller
from twolane.engine.wording import Message
from twolane.values.outcome import Failure, Reason
from twolane.wiring.alert_targets import (
    MISSING,
    AppriseTarget,
    NotAcceptedError,
    fitted,
    shown,
    split_addresses,
)

SECRET = "s3cr3t-t0ken"  # noqa: S105  (nobody's)


@pytest.fixture
def inbox() -> Iterator[WebInbox]:
    with web_inbox() as made:
        yield made


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    clock = FakeClock()
    backend = InSqlite(tmp_path, clock)
    yield House(backend, clock)
    backend.close()


class Telling:
    """A teller over a house's queue, one round at a time."""

    def __init__(self, house: House, *addresses: str) -> None:
        self.house = house
        self.batcher = Batcher(house.backend.open())
        self.targets = [AppriseTarget(address) for address in addresses]
        self._addresses = addresses

    def rounds(self, count: int = 1) -> None:
        async def main() -> None:
            teller = Teller(
                self.batcher, self.house.records, [LogTarget(), *self.targets], self.house.clock,
                because=lambda _: "customers paid",
            )  # fmt: skip
            for _ in range(count):
                await teller.settle()

        asyncio.run(main())

    def state(self, number: int = 0) -> Any:
        return self.house.target(self.targets[number].id).state


@pytest.fixture
def telling(house: House, inbox: WebInbox) -> Iterator[Telling]:
    made = Telling(house, inbox.address)
    yield made
    made.batcher.close()


TRACE = 'Traceback\n  File "/srv/shop/seats.py", line 7, in book\n    raise ValueError("x")\n'


def die(house: House, count: int = 1, error: str = "no seats", trace: str = "", **fields: Any) -> None:
    house.do(Send(tuple(house.outgoing(**fields) for _ in range(count))))
    failure = Failure("ValueError", error, trace, 1.0, 2.0)
    received = house.receive(limit=count)
    answers = house.try_all(*(DeadLetterDelivery(each.receipt, Reason.GAVE_UP, failure) for each in received))
    assert len(answers) == count


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", ()),
            ("log", ()),
            ("slack://a/b/c", ("slack://a/b/c",)),
            ("slack://a/b/c,json://h log", ("slack://a/b/c", "json://h")),
            (" json://h ;\n json://h, mailto://u:p@h?to=a@b,c@d ", ("json://h", "mailto://u:p@h?to=a@b,c@d")),
            ("nonsense", ("nonsense",)),
            ("json://h/a nonsense", ("json://h/a", "nonsense")),
            ("mailto://u:p@h?to=a@b, c@d json://h", ("mailto://u:p@h?to=a@b, c@d", "json://h")),
        ],
    )
    def test_are_split(self, text: str, found: tuple[str, ...]) -> None:
        assert split_addresses(text) == found

    @pytest.mark.parametrize(
        "address",
        [
            f"slack://{SECRET}/b/c",
            f"json://user:{SECRET}@example.org:8080/{SECRET}?key={SECRET}",
            f"mailtos://user:{SECRET}@example.org",
            SECRET,
            f"json://[{SECRET}",
            f"json://h:{SECRET}",
        ],
    )
    def test_are_shown_without_their_secrets(self, address: str) -> None:
        target = AppriseTarget(address)
        assert SECRET not in target.name + target.id + shown(address)
        assert target.id == AppriseTarget(address).id

    def test_a_host_that_is_no_secret_is_shown(self) -> None:
        assert shown("json://example.org:80/x").startswith("json://example.org:80 (")
        assert shown("slack://token/x").startswith("slack://*** (")


class TestText:
    def test_is_clipped_for_its_target(self) -> None:
        part = Message("t" * 300, "b" * 300)
        title, body = fitted(part, 10, 20)
        assert (title, body) == ("t" * 7 + "...", "b" * 17 + "...")

    def test_that_would_be_shown_as_markdown_goes_as_a_block_of_code_that_nothing_ends(self) -> None:
        part = Message("task a died", "in __init__: **x** ``` [click](http://evil.example) " + "x" * 100)
        title, body = fitted(part, 0, 60, fence="```")
        assert (title, len(body)) == ("", 60)
        assert body.startswith("```\ntask a died\nin __init__: **x** ''' [")
        assert body.endswith("...\n```")
        assert body.count("```") == 2

    def test_goes_in_one_where_the_target_knows_no_title(self) -> None:
        assert fitted(Message("title", "body"), 0, 8) == ("", "title...")


class TestWeb:
    def test_a_death_is_told_whole(self, telling: Telling, house: House, inbox: WebInbox) -> None:
        die(
            house,
            trace=TRACE,
        )
        telling.rounds()

        [text] = inbox.texts()
        for said in (
            "task app:work died: gave_up", "ValueError: no seats", "shop/seats.py line 7 in book: raise ValueError",
            "because customers paid", "twolane dead show m1", "twolane dead redrive m1",
        ):  # fmt: skip
            assert said in text
        assert house.records.stats().owed_alerts == 0

    def test_ten_thousand_deaths_at_once_are_a_digest(
        self, telling: Telling, house: House, inbox: WebInbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        die(house)
        telling.rounds()
        for number in range(10):
            die(house, 1000, error=f"order {number}", trace=TRACE)
            telling.rounds()
            house.clock.advance(5)
        house.clock.advance(60)
        telling.rounds()

        assert len(inbox.heard) <= 3
        assert "order 9" in inbox.texts()[-1]
        assert "at shop/seats.py line 7 in book" in inbox.texts()[-1]
        assert house.records.stats().owed_alerts == 0
        assert sum(record.name == "twolane.alert" for record in caplog.records) <= 3

    @pytest.mark.parametrize("status", [429, 500, 404])
    def test_one_that_does_not_take_it_is_tried_again(
        self, telling: Telling, house: House, inbox: WebInbox, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        inbox.status = status
        die(house)
        telling.rounds(3)

        assert len(inbox.heard) == 1, "not before its pause is over"
        assert (telling.state().tries, telling.state().told_to) == (1, 0)
        assert str(status) in telling.state().error
        assert "task app:work died" in caplog.text, "the log was told meanwhile"
        inbox.status = 200
        house.clock.advance(5)
        telling.rounds()
        assert len(inbox.arrived) == 1
        assert (telling.state().tries, telling.state().told_to) == (0, 1)

    def test_one_that_is_down_for_an_hour_is_told_when_it_is_up(
        self, telling: Telling, house: House, inbox: WebInbox
    ) -> None:
        port = inbox.port
        inbox.close()
        for minute in range(60):
            die(house, error=f"minute {'abcdefghij'[minute % 10]}")
            telling.rounds()
            house.clock.advance(60)
        assert telling.state().tries > 10
        with web_inbox(port) as again:
            telling.rounds()
            assert len(again.arrived) == 1
            assert "60 task(s) died" in again.texts()[0]
        assert house.records.stats().owed_alerts == 0

    def test_one_that_hangs_holds_up_nobody(
        self, house: House, inbox: WebInbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with web_inbox() as other:
            monkeypatch.setattr(AppriseTarget, "timeout_s", 0.3)
            inbox.status = 0
            telling = Telling(house, inbox.address, other.address)
            die(house)
            telling.rounds()
            assert len(other.arrived) == 1
            assert "no answer within 0.3 s" in telling.state().error
            telling.batcher.close()

    def test_a_wrong_address_is_said_and_the_others_are_served(
        self, house: House, inbox: WebInbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        telling = Telling(house, f"slack://{SECRET}", inbox.address)
        die(house)

        async def main() -> None:
            teller = Teller(telling.batcher, house.records, [LogTarget(), *telling.targets], house.clock)
            said = Logged("ALERTS DO NOT REACH")
            teller.start()
            await asyncio.to_thread(inbox.until, 1)
            await said.wait()
            await teller.finish()

        asyncio.run(main())
        assert SECRET not in caplog.text
        assert len(inbox.arrived) == 1
        assert telling.state(0).told_to == 0
        telling.batcher.close()

    @pytest.mark.parametrize("address", ["slack://wrong", "slack://ab/c", "discord://abcd"])
    def test_what_is_wrong_with_a_short_address_tells_nothing_of_it(self, address: str) -> None:
        problem = AppriseTarget(address).problem()
        assert problem is not None
        scheme, _, secret = address.partition("://")
        assert f"{scheme}://{secret}" not in problem
        for part in secret.split("/"):
            assert f"({part})" not in problem

    def test_the_log_of_the_libraries_below_names_no_secret(
        self, inbox: WebInbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        AppriseTarget(f"{inbox.address}/{SECRET}").tell(Message("t", "b"))
        assert len(inbox.arrived) == 1
        assert SECRET not in caplog.text

    def test_what_apprise_raises_names_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:

        def notify(*_: object, **__: object) -> bool:
            raise RuntimeError(f"no such host: json://127.0.0.1/{SECRET}")

        monkeypatch.setattr(apprise.Apprise, "notify", notify)
        with pytest.raises(NotAcceptedError, match="RuntimeError: no such host") as caught:
            AppriseTarget(f"json://127.0.0.1/{SECRET}").tell(Message("t", "b"))
        assert SECRET not in str(caught.value)

    def test_without_apprise_it_is_said_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "apprise", None)
        target = AppriseTarget("json://127.0.0.1")
        assert target.problem() == MISSING
        with pytest.raises(NotAcceptedError, match="pip install"):
            target.tell(Message("t", "b"))

    def test_error_texts_of_every_kind_arrive_clipped_and_harmless(
        self, telling: Telling, house: House, inbox: WebInbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        scripts = "Ελληνικά Кириллица עברית العربية हिन्दी 中文 日本語 한국어 🧨"
        error = f"{scripts} \x1b[2J\x00\r\n\u202e password={SECRET} Bearer {SECRET} postgres://u:{SECRET}@db <b>@everyone "
        die(house, error=error + "x" * 1_000_000)
        telling.rounds()

        [text] = inbox.texts()
        assert scripts in text
        assert SECRET not in text + caplog.text
        assert len(text) < 2_000
        assert not [char for char in text if not char.isprintable() and char != "\n"]
        assert "@everyone" not in text
        assert logging.getLogger("apprise").filters == []

    def test_markdown_in_an_error_is_shown_as_it_is(self, house: House, inbox: WebInbox) -> None:
        """Mattermost shows what it gets as markdown, and apprise sends it plain text."""
        telling = Telling(house, f"mmost://127.0.0.1:{inbox.port}/3ccdd113474722377935511fc8")
        die(house, error="__init__ of *x*: [log in](http://evil.example) ``` #")
        telling.rounds()
        telling.batcher.close()
        [posted] = inbox.arrived
        assert posted["text"].startswith("```\ntask app:work died: gave_up\n")
        assert "__init__ of *x*: [log in](http://evil.example) ''' #" in posted["text"]
        assert posted["text"].endswith("\n```")

    def test_a_clock_that_jumps_neither_repeats_nor_silences(
        self, telling: Telling, house: House, inbox: WebInbox
    ) -> None:
        die(house)
        telling.rounds()
        house.clock.advance(-7200)
        telling.rounds()
        die(house)
        telling.rounds()
        house.clock.advance(14_400)
        die(house)
        telling.rounds(2)
        assert len(inbox.arrived) == 3
        assert house.records.stats().owed_alerts == 0

    def test_a_notice_is_told_as_well(self, telling: Telling, house: House, inbox: WebInbox) -> None:
        house.do(OweNotice("disk", "The disk is nearly full", "Make room."))
        telling.rounds()
        assert inbox.texts() == ["The disk is nearly full\nMake room."]


class TestMail:
    def test_a_death_arrives_with_its_text_escaped(self, house: House) -> None:
        with mail_inbox() as mail:
            telling = Telling(house, mail.address + "&format=html")
            die(house, error="<script>alert(1)</script> größer")
            telling.rounds()
            telling.batcher.close()
            [letter] = mail.arrived
        html = letter.get_body(("html",))
        assert letter["Subject"] == "task app:work died: gave_up"
        assert html is not None
        assert "&lt;script&gt;" in html.get_content()
        assert "<script>" not in html.get_content()
        assert "größer" in html.get_content()
