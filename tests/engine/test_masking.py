"""A masked value never shows: by its name, by its type, in a text, in a URL, anywhere else in the same message."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from twolane.engine.masking import MASK, Masker, holds_mask, is_secret_name
from twolane.values.fingerprint import headline
from twolane.values.outcome import Failure

SECRET_NAMES = [
    "password", "user_password", "passwordHash", "PASSWORD", "passwd", "pwd", "secret", "clientSecret", "token",
    "access_token", "refreshToken", "api_key", "apiKey", "API-Key", "X-Api-Key", "authorization", "Authorization",
    "auth", "credentials", "private_key", "aws_secret_access_key", "session_id", "cookie", "jwt", "pin", "otp", "cvv",
]  # fmt: skip
PLAIN_NAMES = [
    "name",
    "customer_id",
    "author",
    "key",
    "shipping",
    "spine",
    "opinion",
    "path",
    "passenger",
    "pass_count",
]

# at least as long as what is looked for, and none of it in the mask or in a name
OWN_WORDS = [
    "args", "trace", "policy", "queue", "task", "sent_at", "max_attempts", "timeout_s", "patience_s", "note", "deep",
    "more", "result",
]  # fmt: skip
"""Names in the bodies and values below: a secret that is one of them cannot be told from it."""
secrets = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=4, max_size=30).filter(
    lambda text: (
        not any(text.lower() in word for word in (MASK, json.dumps(SECRET_NAMES + OWN_WORDS).lower()))
    )
)
words = st.text("abcdefgh ", max_size=20)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


class TestArguments:
    def test_by_name_at_any_depth(self) -> None:
        args = {
            "user": "ada",
            "password": "hunter2",
            "to": [{"apiKey": 12345, "url": "u"}],
            "token": None,
            "auth": True,
        }
        assert Masker(args).args == {
            "user": "ada", "password": MASK, "to": [{"apiKey": MASK, "url": "u"}], "token": None, "auth": True,
        }  # fmt: skip

    def test_by_type_at_the_top(self) -> None:
        assert Masker({"card": [1, 2], "name": {"card": "x"}}, ["card"]).args == {
            "card": MASK,
            "name": {"card": "x"},
        }

    @given(st.sampled_from(SECRET_NAMES), secrets, words, words)
    def test_a_secret_shows_nowhere_else(self, name: str, secret: str, before: str, after: str) -> None:
        told = f"{before}{secret}{after}"
        body = json.dumps(
            {
                "v": 1, "id": "1", "task": "t", "queue": "q", "sent_at": 0.0, "trace": {"k": told},
                "policy": {"max_attempts": 1, "timeout_s": 1.0, "patience_s": 1.0},
                "args": {name: secret, "note": told, "deep": [{"more": told}]},
            }
        )  # fmt: skip
        masker = Masker.of(body)
        shown = [
            masker.text(told), masker.text(repr(told)), masker.text(json.dumps(told)), masker.text(quote(told)),
            masker.body(body), json.dumps(masker.args), json.dumps(masker.value({"result": [told]})),
        ]  # fmt: skip
        for text in shown:
            for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret)):
                assert form not in text.replace(MASK, "").replace(name, "")

    @given(st.sampled_from(SECRET_NAMES), st.integers(10_000, 10**12))
    def test_neither_does_a_number(self, name: str, secret: int) -> None:
        masker = Masker({name: secret})
        assert str(secret) not in masker.text(f"no such number: {secret}!")
        assert masker.value([secret]) == [MASK]

    def test_what_a_secret_of_bytes_stands_for(self) -> None:
        assert Masker({"data": "aHVudGVyMg=="}, ["data"]).text("bad: hunter2") == f"bad: {MASK}"

    def test_one_of_several_lines_that_was_put_in_one(self) -> None:
        assert Masker({"token": "abcd\n  efgh"}).text("bad: abcd efgh") == f"bad: {MASK}"

    def test_one_that_a_headline_was_clipped_in(self) -> None:
        failure = Failure("ValueError", f"{'x' * 470} hunter2-hunter2-hunter2 is wrong")
        told = Masker({"password": "hunter2-hunter2-hunter2"}).headline(headline(failure))
        assert "hunter2" not in told
        assert told.endswith(f"x {MASK}")

    @pytest.mark.parametrize("secret", ["", "a", "12", "abc"])
    def test_a_short_one_is_not_looked_for_in_texts(self, secret: str) -> None:
        masker = Masker({"pin": secret})
        assert masker.args == {"pin": MASK}
        assert masker.text("abc 12 a") == "abc 12 a"

    @pytest.mark.parametrize(
        "body", [None, "", "no envelope", "[1]", '{"v": 1}', '{"v": 1, "args": {"password": 1}}']
    )
    def test_a_body_that_is_no_envelope(self, body: str | None) -> None:
        assert Masker.of(body).args is None
        assert "hunter2" not in Masker.of(body).body('{"password": "hunter2"')


class TestTexts:
    @given(
        st.sampled_from(["postgres", "https", "redis+tls", "AMQP"]),
        st.text(st.characters(categories=["L", "N"]), max_size=8),
        secrets.map(lambda text: quote(text, safe="!$&()*+,;=")),
        words,
    )
    def test_credentials_in_urls(self, scheme: str, user: str, password: str, before: str) -> None:
        assume(password not in f"{before}{user}{scheme}" and quote(password) not in MASK)
        text = Masker().text(f"{before}{scheme}://{user}:{password}@db.example.org:5432/app failed")
        assert password not in text.replace(MASK, "")
        assert f"{scheme}://{MASK}@db.example.org:5432/app failed" in text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("https://tok3n@git.example.org/x", f"https://{MASK}@git.example.org/x"),
            ("amqp://u:p@ss/w:rd@host/v and more", f"amqp://{MASK}@host/v and more"),
            ("password=hunter2, retries=3", f"password={MASK}, retries=3"),
            ("X-Token: Basic hunter2 [1]", f"X-Token: {MASK} [1]"),
            ("{'api_key': 'k 1', 'n': 1}", f"{{'api_key': {MASK}, 'n': 1}}"),
            ('{"token": "a\\"b"}', f'{{"token": {MASK}}}'),
            ("GET /x?access_token=abc&page=2", f"GET /x?access_token={MASK}&page=2"),
            ("url=https://x.org/?token=abc", f"url=https://x.org/?token={MASK}"),
            ("Authorization: Bearer abc.def-1", f"Authorization: {MASK}"),
            ("sent Bearer abcdefgh1 to them", f"sent Bearer {MASK} to them"),
        ],
    )
    def test_what_looks_like_one(self, text: str, shown: str) -> None:
        assert Masker().text(text) == shown
        assert Masker().text(shown) == shown, (
            "what is masked already stays: it goes through here more than once"
        )

    @pytest.mark.parametrize(
        "text",
        [
            "ValueError: no such flight: UA7",
            "https://example.org:8443/users/ann@example.org",
            "mail ann@example.org, see http://example.org/a?b=c",
            'File "app.py", line 3, in load',
            "KeyError: 'password'",
        ],
    )
    def test_what_does_not_stays(self, text: str) -> None:
        assert Masker().text(text) == text

    @given(st.text())
    def test_no_text_is_an_error(self, text: str) -> None:
        Masker({"password": text, text: {"token": [text]}}).text(text)

    @pytest.mark.parametrize(
        "text",
        [
            "a" * 100_000,
            "a://b:c" * 10_000,
            "a.-" * 30_000,
            '"' * 50_000,
            "token='" * 10_000,
            "://" * 30_000,
            "password" * 20_000,
            "a=" * 50_000,
            "\\" * 50_000,
        ],
    )
    def test_a_long_text_takes_no_long_time(self, text: str) -> None:
        Masker().text(text)  # the time-out of the suite is the bound


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=3))
def test_any_json_can_be_masked(args: dict[str, Any]) -> None:
    masker = Masker(args, list(args)[:1])
    json.dumps([masker.args, masker.value(args)])


@pytest.mark.parametrize(
    ("value", "holds"), [({"a": [{"b": MASK}]}, True), (f"x {MASK}", True), ({MASK: 1}, False)]
)
def test_a_mask_that_was_copied_is_noticed(value: Any, holds: bool) -> None:
    assert holds_mask(value) is holds
