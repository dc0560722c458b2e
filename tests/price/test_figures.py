"""The file of figures: what ships, what is refused, what a file of one's own replaces."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from twolane.price import figures
from twolane.values.errors import SettingsError

GOOD = """
[[figure]]
name = "sqs.requests"
value = 0.50
unit = "USD per million requests"
region = "us-east-1"
source = "https://example.org/prices"
read = 2026-11-22
"""


def test_each_figure_says_all_of_itself() -> None:
    for figure in figures.shipped():
        assert figure.source.startswith("https://"), figure.name
        assert figure.unit == figures.NAMES[figure.name][0]
        assert figure.region
        assert date(2026, 1, 1) < figure.read_on <= date(2026, 12, 31)
        assert figure.secondary != ("aws.amazon.com" in figure.source) or figure.name == "lambda.vcpu", (
            figure.name
        )


def test_no_figure_stands_there_twice_and_the_first_region_has_all() -> None:
    count = Counter((figure.name, figure.region) for figure in figures.shipped())
    assert max(count.values()) == 1
    us_east = figures.Figures(figures.shipped(), "us-east-1")
    assert all(us_east.has(name) for name in figures.NAMES)


def test_a_figure_is_for_one_of_its_unit(us_east: figures.Figures) -> None:
    assert us_east.each("sqs.requests") == Fraction("0.40") / 1_000_000
    assert us_east.figure("sqs.requests").value == Fraction("0.40")
    assert us_east.each("lambda.x86") == Fraction("0.0000166667")


def test_an_unknown_region_is_told_the_known_ones() -> None:
    with pytest.raises(
        SettingsError, match=r"'mars-1', only for eu-central-1, eu-west-1, us-east-1.*--prices"
    ):
        figures.Figures(figures.shipped(), "mars-1")


def test_a_figure_that_is_missing_in_a_region() -> None:
    ireland = figures.Figures(figures.shipped(), "eu-west-1")
    with pytest.raises(
        figures.FigureMissing, match=r"no figure rds\.instance \(USD per hour\) is known for eu-west-1"
    ):
        ireland.each("rds.instance")


def test_a_file_of_ones_own_replaces_by_name_and_region(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD)
    both = [*figures.shipped(), *figures.read(path)]
    assert figures.Figures(both, "us-east-1").each("sqs.requests") == Fraction("0.50") / 1_000_000
    assert figures.Figures(both, "eu-west-1").each("sqs.requests") == Fraction("0.40") / 1_000_000
    path.write_text(GOOD.replace('"us-east-1"', '["mars-1", "mars-2"]'))
    found = figures.Figures([*figures.shipped(), *figures.read(path)], "mars-2")
    assert found.each("sqs.requests") == Fraction("0.50") / 1_000_000
    assert found.each("lambda.requests.free") == 1_000_000


def test_a_stale_figure_is_said_once_it_is_used(us_east: figures.Figures) -> None:
    fresh = figures.Figures(figures.shipped(), "us-east-1")
    later = date(2026, 11, 22) + timedelta(days=figures.STALE_AFTER_DAYS + 1)
    assert fresh.stale(later) == []
    fresh.each("lambda.requests")
    fresh.each("sqs.requests")
    assert fresh.stale(date(2026, 11, 22)) == []
    assert [each.name for each in fresh.stale(later)] == ["sqs.requests", "lambda.requests"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("value = 0.50", "value = -1"), "it must not be negative"),
        (("value = 0.50", "value = nan"), "its value is no number"),
        (("value = 0.50", "value = inf"), "its value is no number"),
        (("value = 0.50", "value = true"), "its value is no number"),
        (("value = 0.50", 'value = "cheap"'), "its value is no number"),
        (("value = 0.50", ""), "its value is no number"),
        (("sqs.requests", "sqs.calls"), "no figure is called 'sqs.calls': the names are sqs.requests"),
        (("per million requests", "per request"), "sqs.requests is in 'USD per million requests'"),
        (("read = 2026-11-22", ""), "the day it was read, as in read = 2026-11-22"),
        (("read = 2026-11-22", 'read = "today"'), "the day it was read"),
        (("https://example.org/prices", ""), "where it was read"),
        (('region = "us-east-1"', ""), 'as in region = "us-east-1"'),
        (('region = "us-east-1"', "region = []"), "its region"),
        (('region = "us-east-1"', "region = [1]"), "its region"),
        (("read = ", "red = 1\nread = "), "nothing is known of red"),
        (("read = ", "secondary = 1\nread = "), "secondary is true or false"),
        (("[[figure]]", "[figure]"), "has no figures"),
        (("[[figure]]", "[[figures]]"), "has no figures"),
        (("[[figure]]", "figure = [1]\n[[x]]"), "has no figures"),
        (("[[figure]]", "[[figure"), "are no TOML"),
    ],
)
def test_a_figure_that_is_none_is_answered_with_one(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(SettingsError) as refused:
        figures.read(path)
    assert told in str(refused.value)
    assert "looks like: name = " in str(refused.value)


def test_a_chunk_of_nothing_is_refused() -> None:
    text = GOOD.replace("sqs.requests", "sqs.chunk").replace("USD per million requests", "bytes")
    with pytest.raises(SettingsError, match="must not be zero"):
        figures.parse(text.replace("0.50", "0"), "own.toml")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "own.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"own\.toml cannot be read"):
        figures.read(path)
