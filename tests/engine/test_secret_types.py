from __future__ import annotations

import json
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr

from twolane import Tasks
from twolane.engine.masking import MASK, Masker
from twolane.pytest_plugin import OpenInbox


class Login(BaseModel):
    user: str
    word: Annotated[SecretStr, Field(alias="Word")]


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


def test_a_task_gets_the_secret_and_not_its_stars(tasks: Tasks, twolane: OpenInbox) -> None:
    got: list[object] = []

    @tasks.task(if_lost="alert")
    def use(
        plain: str,
        text: SecretStr,
        data: SecretBytes | None,
        many: list[SecretStr],
        login: Login,
        *,
        no: int = 1,
    ) -> None:
        got.extend([plain, text, data, many, login, no])

    inbox = twolane(tasks)
    given = [
        "seen", SecretStr("hunter2"), SecretBytes(b"\xff\x00key"), [SecretStr("a1"), SecretStr("b2")],
        Login(user="ada", Word=SecretStr("letmein")),
    ]  # fmt: skip
    tasks.send_blocking(use, *given)
    inbox.drain(check=True)
    assert got == [*given, 1]
    [sent] = inbox.sent(use)
    assert json.loads(sent.body)["secrets"] == ["text", "data", "many", "login"]
    assert Masker.of(sent.body).args == {
        "plain": "seen", "text": MASK, "data": MASK, "many": MASK, "login": MASK, "no": 1,
    }  # fmt: skip


def test_a_message_without_secrets_names_none(tasks: Tasks, twolane: OpenInbox) -> None:
    @tasks.task(if_lost="alert")
    def use(plain: str) -> None: ...

    inbox = twolane(tasks)
    tasks.send_blocking(use, "seen")
    assert "secrets" not in json.loads(inbox.sent(use)[0].body)


def test_a_default_that_is_a_secret(tasks: Tasks, twolane: OpenInbox) -> None:
    got: list[SecretStr] = []

    default = SecretStr("by default")

    @tasks.task(if_lost="alert")
    def use(text: SecretStr = default) -> None:
        got.append(text)

    inbox = twolane(tasks)
    tasks.send_blocking(use)
    inbox.drain(check=True)
    assert got == [SecretStr("by default")]
