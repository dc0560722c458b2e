"""What a terminal shows of an import is what its page shows."""

from __future__ import annotations

from typing import Any

import pytest

from twolane.cli.demo.report import Report

RUNNING: dict[str, Any] = {
    "name": "flights.csv",
    "state": "running",
    "rows": 34_000,
    "rejected": 13,
    "percent": 38.2,
    "rows_per_s": 79_376.4,
    "seconds_left": 1.26,
    "took_s": None,
    "attempt": 2,
    "crashes": 3,
    "resumed_at_row": 24_001,
}


def shown(capsys: pytest.CaptureFixture[str], **values: Any) -> str:
    with Report(quiet=False) as report:
        report.show(RUNNING | values)
    return " ".join(capsys.readouterr().out.split())


def test_an_import_is_shown_as_on_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(capsys)
    for part in (
        "flights.csv: running",
        "38 %",
        "34,000 rows done, 13 rejected, 79,376 rows/s, 1.3 s left, attempt 2",
        "worker died (3 so far), resumed at row 24,001",
    ):
        assert part in told


def test_what_is_not_known_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = {
        "percent": None,
        "rows_per_s": None,
        "seconds_left": None,
        "crashes": 0,
        "resumed_at_row": None,
    }
    told = shown(capsys, **unknown)
    assert "34,000 rows done, 13 rejected, attempt 2" in told
    assert "died" not in told


def test_a_kill_before_the_first_row_begins_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert "worker died (1 so far), begun again" in shown(capsys, crashes=1, resumed_at_row=None)


def test_quiet_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    with Report(quiet=True) as report:
        report.follow(lambda: pytest.fail("asked"))
        report.show(RUNNING)
    assert capsys.readouterr().out == ""


def test_the_app_is_not_asked_more_often_than_eyes_can_follow() -> None:
    asked: list[dict[str, Any]] = []

    def look() -> dict[str, Any]:
        asked.append(RUNNING)
        return RUNNING

    with Report(quiet=False) as report:
        for _ in range(100):
            report.follow(look)
    assert 1 <= len(asked) < 10
