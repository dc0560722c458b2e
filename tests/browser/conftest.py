"""A real browser before the real app: Playwright with the system's Chromium, a server, a worker process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.absent import absent
from tests.examples.site import Site, served
from twolane.cli.demo.data import prepare

CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MAX_UPLOAD_BYTES = 12_000_000
EVERY = 5_000
"""One row of so many is spoiled."""

OVER = ".headline .done, .headline .cancelled, .headline .failed"


def upload(page: Any, file: Path) -> None:
    page.get_by_label("A CSV file of flights").set_input_files(file)
    page.get_by_role("button", name="Import").click()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser a module: Playwright runs an event loop in this thread, in which no other test could run its own."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright is not installed")
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        absent("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with served(folder, worker=True, FLIGHTS_MAX_UPLOAD_BYTES=str(MAX_UPLOAD_BYTES)) as site:
        site.processes.until(site.worker_pid, "the worker to start")
        yield site


@pytest.fixture
def visit(chromium: Any, site: Site) -> Iterator[Callable[..., Any]]:
    """A new customer on the front page: nobody has seen this browser before."""
    contexts: list[Any] = []

    def visit(**options: Any) -> Any:
        context = chromium.new_context(base_url=site.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(100_000)  # ms; only what hangs takes so long
        # Whatever the policy of the page blocks, and whatever a script of it throws, is a failure.
        page.on("console", lambda said: page.said.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.said = []
        page.goto("/")
        return page

    yield visit
    for context in contexts:
        context.close()


@dataclass(frozen=True)
class Flights:
    """A file of flights, and its bad rows by their lines as a spreadsheet should show them."""

    path: Path
    rows: int
    bad: dict[int, str]


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    """The real file of 10 MB where it lies beside the checkout, else one made; some of its rows are spoiled."""
    folder = tmp_path_factory.mktemp("flights")
    file = prepare(None, 1, folder)
    lines = file.path.read_bytes().rstrip(b"\n").split(b"\n")
    bad_lines = set(file.bad_lines or ())
    for line in range(EVERY, len(lines), EVERY):
        lines[line - 1] = lines[line - 1].replace(b",", b",?", 1)
        bad_lines.add(line)
    lines[-1] = b'=HYPERLINK("http://evil.example")'
    path = folder / "flights-2013.csv"
    path.write_bytes(b"\n".join([*lines, b""]))
    bad = {line: shown(lines[line - 1]) for line in bad_lines}
    return Flights(path, len(lines) - 1, bad | {len(lines): f"'{lines[-1].decode()}"})


def shown(row: bytes) -> str:
    """Bytes that are no text, as csvfile shows them."""
    return row.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
