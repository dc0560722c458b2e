"""The flights app as a customer sees it, walked with a real browser."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import MAX_UPLOAD_BYTES, OVER, Flights, upload
from tests.examples.csv_rows import HEADER, row, rows
from tests.examples.site import Site

Visit = Callable[..., Any]
WATCH = """
    window.shown = [];
    const text = (id) => document.getElementById(id)?.textContent;
    new MutationObserver(() => {
        const now = { rows: text("rows"), rate: text("rate"), left: text("left"), bar: document.getElementById("bar")?.value };
        if (now.rows && now.rows !== window.shown.at(-1)?.rows) window.shown.push(now);
    }).observe(document, { subtree: true, childList: true, characterData: true });
"""
"""Keeps what the page has shown, each number of rows once."""


def made(tmp_path: Path, data: bytes, name: str = "mine.csv") -> Path:
    file = tmp_path / name
    file.write_bytes(data)
    return file


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_ten_megabytes_under_a_kill(visit: Visit, site: Site, flights: Flights) -> None:
    page = visit()
    page.add_init_script(WATCH)
    upload(page, flights.path)
    page.wait_for_url("**/imports/*")
    site.kill_worker_amid(page.url.rpartition("/")[2])
    page.wait_for_selector(OVER)

    notice = page.locator("#crashes").inner_text()
    resumed = re.search(r"The worker died, resumed at row ([\d,]+)\.", notice)
    assert resumed, notice
    assert 0 < number(resumed[1]) < flights.rows

    shown = page.evaluate("window.shown")  # all of it in one list, so the page has not loaded anew
    counts = [number(each["rows"]) for each in shown]
    assert len(counts) > 2
    assert counts == sorted(counts)
    assert counts[-1] == flights.rows
    moving = [each for each in shown if each["rate"] not in (None, "-")]
    assert moving
    for each in moving:
        assert number(each["rate"]) > 0
        assert re.fullmatch(r"\d+ (s|min \d+ s)", each["left"])
        assert 0 < each["bar"] < 100
    assert page.locator("#rejected").inner_text() == str(len(flights.bad))
    imported = flights.rows - len(flights.bad)
    assert (
        f"{imported:,} rows imported, {len(flights.bad)} rejected" in page.locator("#headline").inner_text()
    )
    assert page.get_by_role("status").first.inner_text() == page.locator("#headline").inner_text()
    assert page.get_by_role("button").count() == 0  # nothing is left to cancel
    assert downloaded(page) == flights.bad

    page.get_by_role("link", name="All imports").click()
    assert page.locator("tbody tr").count() == 1
    upload(page, flights.path)
    page.wait_for_url("**/imports/*?same=1")
    assert "You imported this file on" in page.locator(".notice").first.inner_text()
    page.goto("/")
    assert page.locator("tbody tr").count() == 1
    assert page.said == []


def downloaded(page: Any) -> dict[int, str]:
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all rejected rows").click()
    assert download.value.suggested_filename == "rejected-rows.csv"
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert all(each["reason"] for each in found)
    return {int(each["line"]): each["row"] for each in found}


def test_a_stream_that_was_refused_is_asked_for_again(visit: Visit, flights: Flights) -> None:
    """As by a proxy while the server restarts: an EventSource takes that for the end."""
    page = visit()
    refused: list[Any] = []

    def answer(route: Any) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.fulfill(status=502, body="Bad Gateway"))

    page.route("**/events", answer)
    upload(page, flights.path)
    page.wait_for_selector(OVER)
    assert len(refused) == 1
    assert page.locator("#rows").inner_text() == f"{flights.rows:,}"


def test_a_phone_breaks_no_word_of_the_imports(visit: Visit, tmp_path: Path) -> None:
    page = visit(viewport={"width": 360, "height": 740})
    upload(page, made(tmp_path, HEADER + rows(3), "flights.csv"))
    page.wait_for_selector(OVER)
    page.goto("/")
    cells = page.locator("tbody td").evaluate_all(
        """(cells) => cells.map((cell) => {
            const range = document.createRange();
            range.selectNodeContents(cell);
            const tops = [...range.getClientRects()].map((box) => Math.round(box.top / 8));
            return [cell.innerText, new Set(tops).size];
        })"""
    )
    assert [text for text, lines in cells if lines > len(text.split())] == []
    assert [text for text, _ in cells[2:]] == ["done", "3"]


def test_cancel(visit: Visit, flights: Flights, site: Site) -> None:
    page = visit()
    upload(page, flights.path)
    page.get_by_role("button", name="Cancel this import").click()
    page.wait_for_selector(OVER)
    assert page.locator(".state").inner_text() == "cancelled"
    stopped_at = page.locator("#rows").inner_text()
    assert number(stopped_at) < flights.rows
    assert page.request.post(page.url + "/cancel", headers={"origin": site.url}).status == 409
    page.reload()
    assert page.locator("#rows").inner_text() == stopped_at

    page.goto("/")
    upload(page, flights.path)  # what was cancelled may be imported again
    page.wait_for_selector(OVER)
    assert page.locator("#rows").inner_text() == f"{flights.rows:,}"
    assert page.said == []


def test_without_javascript(visit: Visit, flights: Flights, tmp_path: Path) -> None:
    page = visit(java_script_enabled=False)
    upload(page, flights.path)
    page.wait_for_url("**/imports/*")
    assert page.locator("progress").count() == 1
    page.wait_for_selector(OVER)  # the page reloads itself until then
    assert page.locator("#rows").inner_text() == f"{flights.rows:,}"
    assert downloaded(page) == flights.bad
    page.get_by_role("link", name="All imports").click()
    upload(page, flights.path)
    assert "You imported this file on" in page.locator(".notice").first.inner_text()
    page.goto("/")
    page.get_by_label("Your email address").fill("ada@example.org")
    page.get_by_role("button", name="Subscribe").click()
    assert "you are subscribed" in page.locator(".notice").inner_text()
    upload(page, made(tmp_path, b"name,age\nada,36\n"))
    assert "lacks the columns" in page.get_by_role("alert").inner_text()


def test_the_import_of_somebody_else_is_not_found(visit: Visit, tmp_path: Path) -> None:
    page, stranger = visit(), visit()
    upload(page, made(tmp_path, HEADER + row()))
    page.wait_for_selector(OVER)
    assert stranger.goto(page.url).status == 404
    assert "There is no such import." in stranger.get_by_role("alert").inner_text()
    stranger.goto("/")
    assert "None yet." in stranger.locator("main").inner_text()


@pytest.mark.parametrize("script", [True, False], ids=["javascript", "no-javascript"])
def test_a_file_over_the_limit_is_told_to_its_customer(visit: Visit, tmp_path: Path, *, script: bool) -> None:
    page = visit(java_script_enabled=script)
    file = made(tmp_path, HEADER)
    with file.open("r+b") as opened:
        opened.truncate(3 * MAX_UPLOAD_BYTES)
    upload(page, file)
    if script:  # before a byte is sent
        assert page.get_by_label("A CSV file").evaluate("it => it.validationMessage") == (
            "This file has 36.0 MB; the limit is 12.0 MB."
        )
        assert page.url.endswith("/")
    else:
        assert "The file is larger than 12 MB" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(visit: Visit, tmp_path: Path, scheme: str) -> None:
    page = visit(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    long = "a-very-long-name-without-any-space-" * 4 + ".csv"
    upload(page, made(tmp_path, HEADER + rows(3) + row(departed=b"x" * 300), long))
    page.wait_for_selector(OVER)
    for path in (page.url, "/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) == (scheme == "dark")
    assert page.said == []


def test_everything_can_be_reached_and_named_without_a_mouse(visit: Visit) -> None:
    page = visit()
    names = []
    for _ in range(5):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate("document.activeElement.labels?.[0]?.innerText || document.activeElement.innerText")
        )
    expected = ["Flights", "A CSV file of flights", "Import", "Your email address", "Subscribe"]
    assert [name.strip()[: len(start)] for name, start in zip(names, expected, strict=True)] == expected
    assert page.locator("html").get_attribute("lang") == "en"
