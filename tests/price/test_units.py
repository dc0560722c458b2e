from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolane.price import load, units
from twolane.values.errors import SettingsError


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (units.rate, "2e6/month", Fraction(2_000_000)),
        (units.rate, "500/day", Fraction(500 * 730, 24)),
        (units.rate, "3/s", Fraction(3 * 730 * 3600)),
        (units.rate, "1_000 / week", Fraction(1000 * 730, 168)),
        (units.rate, "0.5/min", Fraction(730 * 30)),
        (units.rate, "12/year", Fraction(1)),
        (units.duration, "1.2s", Fraction(6, 5)),
        (units.duration, "300ms", Fraction(3, 10)),
        (units.duration, "5min", Fraction(300)),
        (units.duration, "0s", Fraction(0)),
        (units.size, "512MB", Fraction(512 * 2**20)),
        (units.size, "4KB", Fraction(4096)),
        (units.size, "4 kib", Fraction(4096)),
        (units.size, "100B", Fraction(100)),
        (units.share, "3%", Fraction(3, 100)),
        (units.share, "0%", Fraction(0)),
        (units.days, "30d", 30),
    ],
)
def test_what_people_write(read: Callable[[str], Any], text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (units.rate, "500", "how often is missing; write it like 500/day or 2e6/month"),
        (units.rate, "500/fortnight", "'fortnight' is no s, min, hour"),
        (units.rate, "-5/day", "must not be negative"),
        (units.rate, "many/day", "it starts with a number"),
        (units.rate, "1e13/month", "surely a slip"),
        (units.rate, "nan/day", "starts with a number"),
        (units.rate, "1e999999999/day", "starts with a number|how often is missing"),
        (units.duration, "1.2", "its unit is one of ms, s, min, h; write it like 1.2s or 300ms"),
        (units.duration, "3days", "its unit is one of"),
        (units.duration, "31e5s", "more than 30 days"),
        (units.size, "512", "its unit is one of B, KB, MB, GB; write it like 4KB or 512MB"),
        (units.size, "4TB", "its unit is one of"),
        (units.size, "", "starts with a number"),
        (units.share, "0.03", "it ends with %; write it like 3%"),
        (units.share, "100%", "below 100 %"),
        (units.days, "30", "whole number of days; write it like 30d"),
        (units.days, "1.5d", "whole number"),
        (units.days, "500d", "kept for 400 days"),
    ],
)
def test_what_does_not_parse_is_answered_with_the_right_form(
    read: Callable[[str], Any], text: str, told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        read(text)


@pytest.mark.parametrize(
    "read", [units.rate, units.duration, units.size, units.share, units.days, load.read_load]
)
@given(text=st.text(max_size=60) | st.from_regex(r"[-+.e0-9_]{0,40}[a-zA-Z/% ]{0,9}", fullmatch=True))
def test_any_text_is_an_amount_or_a_sentence(read: Callable[[str], Any], text: str) -> None:
    refused = ""
    try:
        value = read(text)
    except SettingsError as error:
        value, refused = None, str(error)
    assert value is not None or any(
        told in refused for told in ("write it like", "surely a slip", "are kept")
    )
    assert value is None or isinstance(value, load.Load) or value >= 0


def test_a_task_in_one_line_in_any_order() -> None:
    one = load.read_load("import_flights 200/month 45s 10MB 2%")
    assert one == load.read_load("import_flights 10MB 2% 45s 200/month")
    assert (one.per_month, one.duration_s, one.payload_bytes, one.retries) == (
        200,
        45,
        10 * 2**20,
        Fraction(1, 50),
    )
    assert load.read_load("mail 1/day") == load.Load("mail", Fraction(730, 24), Fraction(1), Fraction(1024))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mail",
        "mail 2KB",
        "mail 1/day 2/day",
        "mail 1/day soon",
        "1/day 2KB",
        "mail 1/day 5",
        "mail x/day",
    ],
)
def test_a_task_that_is_none(text: str) -> None:
    with pytest.raises(SettingsError, match="write it like"):
        load.read_load(text)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"loads": []}, "no task to price.*--tasks 500/day"),
        ({"loads": [load.Load("t", Fraction(0), Fraction(1), Fraction(1))]}, "no task to price"),
        ({"burst": 0}, "as in --burst 10"),
        ({"burst": 10**7}, "as in --burst 10"),
        ({"memory_bytes": Fraction(1)}, "as in --memory 512MB"),
        ({"memory_bytes": Fraction(2**40)}, "between 1MB and 120GB"),
    ],
)
def test_a_workload_that_is_absurd(options: dict[str, Any], told: str) -> None:
    plain: dict[str, Any] = {
        "loads": [load.Load("t", Fraction(1), Fraction(1), Fraction(1))],
        "memory_bytes": Fraction(2**29),
    }
    with pytest.raises(SettingsError, match=told):
        load.workload(**{**plain, **options})
