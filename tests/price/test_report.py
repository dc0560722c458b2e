"""The report as a value: what a restart loses, the rule, what is old; and its charts."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.price.test_ways import workloads
from twolane.price import curves, figures, load, picture
from twolane.price.forms import report_form
from twolane.price.report import QUESTION, Report, count, loss, report, usd
from twolane.values.errors import SettingsError

TODAY = date(2026, 11, 22)


def asked(*tasks: str, free: bool = True, region: str = "us-east-1", today: date = TODAY) -> Report:
    work = load.workload([load.read_load(task) for task in tasks], memory_bytes=Fraction(512 * 2**20))
    return report(work, figures.Figures(figures.shipped(), region), today, free=free)


@pytest.fixture(scope="module")
def small() -> Report:
    return asked("welcome_email 500/day 0.4s 2KB", "import 200/month 45s 10MB 2%")


def test_what_the_background_lane_loses() -> None:
    work = load.workload(
        [load.Load("t", Fraction(26_280), Fraction(100), Fraction(1), Fraction(1, 10))],
        memory_bytes=Fraction(2**29),
        deploys=Fraction(20),
    )
    lost = loss(work)
    assert lost.in_flight == 1  # one every 100 s, each for 100 s
    assert (lost.cut, lost.failed, lost.a_month) == (20, 2628, 2648)


def test_the_lines_of_each_bill_add_up(small: Report) -> None:
    for bill in small.bills:
        assert sum(line.usd for line in bill.lines) == bill.usd
    assert [bill.way.key for bill in small.bills if not bill.way.survives] == ["background"]


def test_the_rule_says_cost_gain_and_where_the_answer_changes(small: Report) -> None:
    assert QUESTION in small.rule
    assert re.search(r"The queue costs \$\d+\.\d\d a month on this server and \$\d+\.\d\d on AWS", small.rule)
    assert "about 4.11 tasks a month that would vanish (0.115 cut by deploys, 4 that fail)" in small.rule
    turn = next(each for each in small.crossings if each.dearer == "lambda-arm" and each.tasks > 15_409)
    assert f"changes at {-(-turn.tasks // 1):,} tasks a month" in small.rule
    assert small.title(turn.cheaper) in small.rule


def test_the_rule_where_the_answer_has_changed_already() -> None:
    found = asked("t 2e7/month 1.2s 4KB")
    assert re.search(r"The answer on AWS has changed at [\d,]+ tasks a month: .* by now", found.rule)


def test_the_rule_for_more_work_than_crossings_are_looked_for() -> None:
    assert "The answer on AWS has changed" in asked("t 1e12/month 1.2s 4KB").rule


@given(workloads(), st.booleans(), st.sampled_from(["us-east-1", "eu-west-1", "eu-central-1"]))
@settings(deadline=None, max_examples=15)
def test_there_is_something_to_say_of_any_work(work: load.Workload, free: bool, region: str) -> None:
    found = report(work, figures.Figures(figures.shipped(), region), TODAY, free=free)
    assert found.rule.endswith(".")
    assert json.dumps(report_form(found), allow_nan=False)
    assert curves.in_text(curves.chart(found, points=20), 60)


def test_a_task_that_never_fails_and_takes_no_time_needs_no_queue_for_that() -> None:
    assert "It buys: nothing, as long as no process dies" in asked("t 1/day 0s").rule


def test_without_free_allowances_the_bill_is_higher(small: Report) -> None:
    paid = asked("welcome_email 500/day 0.4s 2KB", "import 200/month 45s 10MB 2%", free=False)
    bills = {bill.way.key: bill.usd for bill in paid.bills}
    assert all(bills[bill.way.key] >= bill.usd for bill in small.bills)
    assert not any("free" in line.name for bill in paid.bills for line in bill.lines)


def test_old_figures_are_said_with_their_source() -> None:
    assert asked("t 1/day").stale == ()
    later = asked("t 1/day", today=TODAY + timedelta(days=1000))
    assert len(later.stale) == len(later.figures)
    assert "1000 days old" in later.stale[-1] or "days old" in later.stale[0]
    assert any("https://aws.amazon.com/lambda/pricing/" in each for each in later.stale)


def test_the_json_form_is_json_and_whole(small: Report) -> None:
    form = json.loads(json.dumps(report_form(small)))
    assert {way["way"] for way in form["ways"]} == {
        "background", "sqlite", "lambda-arm", "lambda-arm-single", "lambda-x86", "lambda-x86-single",
        "fargate", "redis", "postgres",
    }  # fmt: skip
    for way in form["ways"]:
        assert sum(line["usd"] for line in way["lines"]) == pytest.approx(way["usd_per_month"])
    assert {each["task"] for each in form["workload"]["tasks"]} == {"welcome_email", "import"}
    assert all(each["source"].startswith("https://") and each["read"] for each in form["figures"])
    assert form["crossings"][0]["tasks_per_month"] > 0
    assert form["rule"] == small.rule


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("0", "$0.00"),
        ("0.004", "$0.004"),
        ("-0.00478", "-$0.0048"),
        ("0.00001", "$0.00"),
        ("1234.565", "$1,234.57"),
    ],
)
def test_money(amount: str, told: str) -> None:
    assert usd(Fraction(amount)) == told


@pytest.mark.parametrize(
    ("amount", "told"), [("0.1149", "0.115"), ("4", "4"), ("99.4", "99.4"), ("1234567.8", "1,234,568")]
)
def test_numbers(amount: str, told: str) -> None:
    assert count(Fraction(amount)) == told


@pytest.mark.parametrize("width", [20, 60, 99])
def test_the_chart_of_a_terminal_fits(small: Report, width: int) -> None:
    lines = curves.in_text(curves.chart(small), width)
    field = [line for line in lines if "|" in line]
    assert max(map(len, field)) <= max(width, 32)
    assert any("X" in line for line in field)
    assert "SQS + a Fargate worker" in "\n".join(lines)


def test_a_chart_of_one_task_a_year_and_of_very_many() -> None:
    for task in ("t 1/year 1s", "t 1e12/month 1ms"):
        assert curves.in_text(curves.chart(asked(task)), 80)


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html", ".SVG"])
def test_the_chart_as_a_file(small: Report, tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{number}{suffix}" for number in range(2)]
    for path in paths:
        picture.write(curves.chart(small), path, "a & b")
    content = paths[0].read_bytes()
    assert content == paths[1].read_bytes()  # the same chart is the same file
    if suffix == ".png":
        assert content.startswith(b"\x89PNG")
    else:
        text = content.decode()
        assert "<svg" in text
        assert "tasks a month" in text
        assert "a &amp; b" in text
        assert ("<!doctype html>" in text) == (suffix == ".html")


@pytest.mark.parametrize("name", ["chart.gif", "chart"])
def test_a_form_there_is_not(small: Report, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"one of \.svg, \.png, \.html: --chart price\.svg"):
        picture.write(curves.chart(small), tmp_path / name, "")


def test_a_folder_there_is_not(small: Report, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written"):
        picture.write(curves.chart(small), tmp_path / "nowhere" / "chart.svg", "")


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(SettingsError, match=r"pip install 'twolane\[chart\]'"):
        picture.check_suffix(Path("chart.svg"))
