"""`twolane price`, as a person types it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Shop

SMALL = ["--task", "welcome_email 500/day 0.4s 2KB", "--task", "import 200/month 45s 10MB 2%"]


def test_the_report_ends_with_the_rule(shop: Shop) -> None:
    told = shop.run(
        "price", "--tasks", "2e6/month", "--duration", "1.2s", "--payload", "4KB", "--retries", "3%"
    )
    assert told.code == 0, told.err
    assert "2,000,000 tasks a month in us-east-1" in told.out
    for way in (
        "background lane",
        "SQLite on this server",
        "SQS + Lambda (x86), a call a message",
        "RDS for Postgres",
    ):
        assert f"{way}" in told.out
    assert "idle polling" in told.out
    assert "where they cross" in told.out
    assert re.search(
        r"from [\d,]+ tasks a month SQS \+ a Fargate worker costs less than SQS \+ Lambda", told.out
    )
    assert told.out.splitlines()[-1].startswith("The rule: if this task vanishes, does a human need to know?")
    assert not shop.was_imported


def test_it_needs_no_queue_and_makes_none(shop: Shop, tmp_path: Path) -> None:
    told = shop.run("price", *SMALL, "--json", TWOLANE_QUEUE=f"sqlite:///{tmp_path}/none.db")
    assert told.code == 0
    assert not (tmp_path / "none.db").exists()
    assert [each["task"] for each in told.json["workload"]["tasks"]] == ["welcome_email", "import"]


def test_options_reach_the_model(shop: Shop) -> None:
    options = [
        "--memory",
        "1GB",
        "--burst",
        "10",
        "--deploys",
        "1/day",
        "--region",
        "eu-west-1",
        "--no-free-tier",
    ]
    found = shop.run("price", *SMALL, *options, "--json").json
    assert found["region"] == "eu-west-1"
    assert found["free_allowances"] is False
    assert (found["workload"]["memory_bytes"], found["workload"]["burst"]) == (2**30, 10)
    assert found["workload"]["deploys_per_month"] == pytest.approx(730 / 24)
    assert any("rds.instance" in each for each in found["not_priced"])


def test_figures_of_ones_own(shop: Shop) -> None:
    own = shop.folder / "own.toml"
    own.write_text(
        '[[figure]]\nname = "sqs.requests"\nvalue = 400\nunit = "USD per million requests"\n'
        'region = "us-east-1"\nsource = "https://example.org"\nread = 2020-01-01\n'
    )
    told = shop.run("price", "--tasks", "1e6/month", "--prices", str(own))
    assert "! sqs.requests is " in told.out
    assert "days old (of 2020-01-01): look at https://example.org" in told.out
    found = shop.run("price", "--tasks", "1e6/month", "--prices", str(own), "--json").json
    assert next(way for way in found["ways"] if way["way"] == "lambda-arm")["usd_per_month"] > 1000


def test_a_chart_in_a_file(shop: Shop) -> None:
    """Each form of it: tests/price/test_report.py."""
    told = shop.run("price", *SMALL, "--chart", "price.html")
    assert told.code == 0, told.err
    assert (shop.folder / "price.html").stat().st_size > 1000


def test_a_narrow_terminal(shop: Shop) -> None:
    told = shop.run("price", *SMALL, COLUMNS="40")
    chart = told.out.partition("cost against tasks a month")[2].partition("a background lane")[0]
    assert max(map(len, chart.splitlines())) <= 40


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "there is no task to price"),
        (["--tasks", "500"], "--tasks is '500': how often is missing; write it like 500/day or 2e6/month"),
        (["--tasks=-1/day"], "--tasks is '-1/day': it must not be negative"),
        (["--tasks", "0/day"], "there is no task to price"),
        (["--tasks", "1/day", "--duration", "soon"], "--duration is 'soon'"),
        (["--tasks", "1/day", "--payload", "4"], "--payload is '4'"),
        (["--tasks", "1/day", "--retries", "3"], "--retries is '3': it ends with %"),
        (["--tasks", "1/day", "--memory", "lots"], "--memory is 'lots'"),
        (["--tasks", "1/day", "--deploys", "20"], "--deploys is '20': how often is missing"),
        (["--tasks", "1/day", "--region", "mars-1"], "no figure is known for the region 'mars-1'"),
        (["--tasks", "1/day", "--prices", "none.toml"], "none.toml cannot be read"),
        (["--tasks", "1/day", "--chart", "price.gif"], "one of .svg, .png, .html"),
        (["--task", "mail"], "how often it is sent; write it like"),
        (["app:app"], "app:app is an app: say --from-records 30d"),
    ],
)
def test_bad_input_is_a_sentence_with_the_right_form(shop: Shop, arguments: list[str], sentence: str) -> None:
    told = shop.run("price", *arguments)
    assert told.code == 2
    assert sentence in told.err
    assert "Traceback" not in told.err


def test_from_the_records_of_a_queue(shop: Shop) -> None:
    told = shop.run("price", "--from-records", "30d", "--json")
    assert told.code == 0, told.err
    tasks = {each["task"]: each for each in told.json["workload"]["tasks"]}
    assert set(tasks) == {"greet", "fails", "gives_up", "reads"}
    assert tasks["greet"]["per_month"] == pytest.approx(
        4 * tasks["fails"]["per_month"]
    )  # all of the same day
    assert tasks["fails"]["retries"] == pytest.approx(0.99)
    assert not shop.was_imported


def test_from_the_records_of_an_app(shop: Shop) -> None:
    (shop.folder / "pyproject.toml").write_text("")
    shop.queue.rename(shop.folder / "twolane.db")
    told = shop.run("price", "shop:tasks", "--from-records", "7d", TWOLANE_QUEUE="")
    assert told.code == 0, told.err
    assert "greet" in told.out
    assert shop.was_imported


def test_a_queue_without_records(shop: Shop) -> None:
    import sqlite3

    with sqlite3.connect(shop.queue) as queue:
        queue.execute("DELETE FROM daily_sums")
    queue.close()
    told = shop.run("price", "--from-records", "30d")
    assert told.code == 2
    assert "has stored no task in the last 30 days" in told.err
    assert "--tasks 500/day" in told.err
    (shop.folder / "empty.db").touch()
    told = shop.run("price", "--from-records", "30d", TWOLANE_QUEUE=f"sqlite:///{shop.folder}/empty.db")
    assert (told.code, "only an empty file" in told.err) == (3, True)
    told = shop.run("price", "--from-records", "30", TWOLANE_QUEUE=f"sqlite:///{shop.folder}/empty.db")
    assert (told.code, "write it like 30d" in told.err) == (2, True)
