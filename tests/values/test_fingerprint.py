"""Which failures are alike, and what hides in a text."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolane.engine.masking import Masker
from twolane.engine.wording import clipped, one_line, printable
from twolane.values import fingerprint as module
from twolane.values.fingerprint import fingerprint, headline, normalised, where
from twolane.values.outcome import Failure

SECRET = "hunter2hunter2"  # noqa: S105
TRACE = """Traceback (most recent call last):
  File "/srv/shop/mails.py", line {line}, in send
    connect(host)
  File "/usr/lib/python3.11/smtplib.py", line 255, in connect
    raise OSError
OSError: gone
"""
AT_7 = TRACE.format(line=7)


def test_deaths_of_one_kind_have_one_fingerprint() -> None:
    one = Failure(
        "OSError", "host 'a' gone after 3.5 s, id 0192f0c1-5b1e-7c3a-9d52-3f6f2a1b7c44", TRACE.format(line=7)
    )
    other = Failure(
        "OSError", "host 'b' gone after 12 s, id 0192ffff-5b1e-7c3a-9d52-3f6f2a1b7c44", TRACE.format(line=99)
    )
    assert fingerprint("t", one) == fingerprint("t", other)
    assert len(fingerprint("t", one)) == 12


@pytest.mark.parametrize(
    "other",
    [
        ("u", Failure("OSError", "gone", AT_7)),
        ("t", Failure("KeyError", "gone", AT_7)),
        ("t", Failure("OSError", "refused", AT_7)),
        ("t", Failure("OSError", "gone", AT_7.replace("mails", "orders"))),
        ("t", None),
    ],
)
def test_other_deaths_have_another(other: tuple[str, Failure | None]) -> None:
    assert fingerprint("t", Failure("OSError", "gone", AT_7)) != fingerprint(*other)


def test_where_is_the_innermost_line_of_the_app() -> None:
    assert where(TRACE.format(line=7)) == "shop/mails.py line 7 in send: connect(host)"
    assert where("") == ""
    only_foreign = '  File "/venv/lib/python3.11/site-packages/x/y.py", line 3, in z\n    boom()\n'
    assert where(only_foreign) == "x/y.py line 3 in z: boom()"
    own = '  File "/srv/a.py", line 1, in f\n  File "' + module.__file__ + '", line 3, in z\n'
    assert where(own) == "srv/a.py line 1 in f"


def test_of_a_group_of_exceptions_too() -> None:
    try:
        try:
            raise ValueError("inner")  # noqa: TRY301
        except ValueError as error:
            raise ExceptionGroup("many", [error]) from None
    except ExceptionGroup as group:
        text = "".join(traceback.format_exception(group))
    assert "test_of_a_group_of_exceptions_too" in where(text)


def test_a_megabyte_is_no_trouble() -> None:
    for text in (
        "x" * 1_000_000,
        "'" * 1_000_000,
        '"a' * 500_000,
        "1-" * 500_000,
        "password=" * 100_000,
        "a://" * 250_000,
        "eyJ" * 300_000,
    ):
        assert len(normalised(text)) <= 200
        assert len(headline(Failure("E", text))) <= 500
        assert len(Masker().text(text[:20_000])) <= 60_000
        where('  File "' + text + text)


@given(st.text())
def test_every_text_has_a_line(text: str) -> None:
    line = one_line(text)
    assert len(line) <= 400
    assert "\n" not in line
    fingerprint(text, Failure(text, text, text))


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f"DB_PASSWORD: {SECRET}",
        f"{{'api_key': '{SECRET}'}}",
        f'{{"client_secret": "{SECRET}", "a": 1}}',
        f"Authorization: Bearer {SECRET}",
        f"postgresql+psycopg://user:{SECRET}@db/x",
        f"https://{SECRET}@example.org/",
        f"?token={SECRET}&x=1",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
        f"ghp_{SECRET}",
        f"xoxb-{SECRET}",
        f"sk_live_{SECRET}",
        f"eyJhbGciOiJI.{SECRET}.{SECRET}",
        f"https://hooks.slack.com/services/{SECRET}",
        f"Cookie: {SECRET}",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    assert SECRET not in Masker().text(f"before {text} after")
    assert "before " in Masker().text(f"before {text} after")


@pytest.mark.parametrize(
    "text",
    ["no such flight LH 123", "order 7 of ada@example.org", "the tokens are 12", "https://example.org/a?b=1"],
)
def test_plain_text_stays(text: str) -> None:
    assert Masker().text(text) == text


def test_nobody_is_called_by_an_error() -> None:
    for text in ("@everyone", "@here now", "<!channel>", "<@U123>", "@all"):
        assert one_line(text) != text
    assert one_line("ada@example.org") == "ada@example.org"


def test_every_script_stays_and_control_does_not() -> None:
    assert printable("نمی‌خواهم क्‍ष 中文 \u202e\x1b\x00\u2028") == "نمی‌خواهم क्‍ष 中文     "
    assert clipped("abcdef", 5) == "ab..."
    assert clipped("abcdef", 2) == ".."
