"""The pictures of docs/flights.md, taken from the app as it is: `make pictures` puts new ones there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import OVER, Flights, upload
from tests.examples.csv_rows import HEADER, rows
from tests.examples.site import Site

MAX_BYTES = 150_000
DESKTOP = {"width": 820, "height": 640}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def album(tmp_path: Path) -> Path:
    return Path(os.environ.get("TWOLANE_PICTURES", tmp_path))


@pytest.mark.long
def test_pictures(
    visit: Callable[..., Any], site: Site, flights: Flights, album: Path, tmp_path: Path
) -> None:
    before = tmp_path / "spring-schedule.csv"
    before.write_bytes(HEADER + rows(2_400))
    page = visit(viewport=DESKTOP)
    upload(page, before)
    page.wait_for_selector(OVER)
    page.goto("/")
    upload(page, flights.path)
    page.wait_for_url("**/imports/*")
    site.kill_worker_amid(page.url.rpartition("/")[2], behind=0.25)
    page.wait_for_selector("#crashes .notice")
    page.wait_for_selector("#rate:not(:text-is('-'))")
    page.screenshot(path=album / "import.png", full_page=True)

    page.wait_for_selector(OVER)
    done = page.url
    page.goto("/")
    page.screenshot(path=album / "front.png", full_page=True)

    phone = visit(viewport=PHONE, color_scheme="dark", storage_state=page.context.storage_state())
    phone.goto(done)
    phone.screenshot(path=album / "phone.png")
    for name in ("import", "front", "phone"):
        assert 5_000 < (album / f"{name}.png").stat().st_size < MAX_BYTES
