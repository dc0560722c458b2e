"""What the documentation names exists: links, files, commands, options."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
from pathlib import Path
from typing import get_overloads

import pytest

from tests import forks
from tests.docs.pages import PAGES, ROOT, anchors, fences, links, spans

README = ROOT / "README.md"
COMMANDS = {
    "check",
    "doctor",
    "worker",
    "watch",
    "status",
    "stats",
    "dead list",
    "dead show",
    "dead redrive",
    "dead discard",
    "dead log",
    "alert",
    "cancel",
    "demo",
    "price",
}


def code(page: Path) -> str:
    """All that is typed or configured; Python is run elsewhere."""
    return "\n".join(
        [*spans(page), *(fence.code for fence in fences(page) if fence.language not in ("python", ""))]
    )


def named(command: str) -> set[str]:
    found = set()
    for page in PAGES:
        for first, second in re.findall(rf"\b{command} ([a-z-]+)(?: ([a-z]+)\b)?", code(page)):
            found.add(f"{first} {second}" if first == "dead" and second else first)
    return found


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return forks.run("twolane", *arguments, environment=os.environ)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        file = page.parent / target if target else page
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    for span in spans(page):
        if re.fullmatch(r"(values|contracts|engine|backends|wiring|fastapi|cli)/[\w/.]*", span):
            assert (ROOT / "src" / "twolane" / span).exists(), span
        elif re.fullmatch(r"(tests|tools|requirements|docs|benchmarks)/[\w/.]*", span):
            assert (ROOT / span).exists(), span


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named("make") - targets == set()


@pytest.mark.parametrize("command", sorted(COMMANDS | {"dead"}))
def test_every_command_has_its_help(command: str) -> None:
    done = cli(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_the_commands_that_are_named_are_the_commands_there_are() -> None:
    assert named("twolane") - {"dead"} == COMMANDS


def test_the_readme_names_every_option_of_a_task() -> None:
    from twolane import Tasks

    options = {
        name for overload in get_overloads(Tasks.task) for name in inspect.signature(overload).parameters
    }
    table = README.read_text().partition("| of a task,")[2].partition("\n\n")[0]
    rows = {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert rows - {"of a task"} == options - {"self", "if_lost"}


def test_the_readme_names_the_start_values() -> None:
    from twolane.values.policy import Policy

    policy, text = Policy(), README.read_text()
    assert f"| `max_attempts` | {policy.max_attempts} |" in text
    assert f"| `timeout_s` | {policy.timeout_s:g} |" in text
    assert f"| `patience_s` | {policy.patience_s:g} |" in text
    backoff = policy.backoff
    assert f"`Backoff(base_s={backoff.base_s:g}, factor={backoff.factor:g}, cap_s={backoff.cap_s:g})`" in text


def test_the_readme_shows_what_price_prints_for_the_small_product() -> None:
    from datetime import date
    from fractions import Fraction

    from twolane.price import figures, load, report

    tasks = re.findall(r"--task '([^']+)'", README.read_text())
    work = load.workload([load.read_load(task) for task in tasks], memory_bytes=Fraction(512 * 2**20))
    found = report.report(work, figures.Figures(figures.shipped(), "us-east-1"), date(2026, 11, 22))
    shown = dict(re.findall(r"^ (\S.*?) {2,}(\$[\d.]+)   (?:yes|no)$", README.read_text(), re.MULTILINE))
    assert len(tasks) == 2
    assert len(shown) == 6
    assert {bill.way.title: report.usd(bill.usd) for bill in found.bills}.items() >= shown.items()
    assert "$0.08 a month on this server and $0.11 on AWS" in found.rule
    assert "about 4.11 tasks a month that would vanish" in found.rule
    assert "changes at 2,751,105 tasks a month" in found.rule


def test_the_page_of_prices_names_every_option_and_start_value() -> None:
    import typer.main

    from twolane.cli.commands import app

    page = (ROOT / "docs" / "price.md").read_text()
    command = typer.main.get_command(app).commands["price"]  # type: ignore[attr-defined]
    for parameter in command.params:
        for name in [*parameter.opts, *parameter.secondary_opts]:
            if name.startswith("--") and name not in ("--app-dir", "--help", "--free-tier"):
                assert f"`{name}" in page, name
    for value in ("512MB", "20/month", "us-east-1", "1s", "1KB", "0%"):
        assert f"`{value}`" in page
