"""What a command opens, and what it leaves behind."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from twolane.cli.finding import opened_stores
from twolane.values.errors import QueueMissing
from twolane.wiring.settings import Settings


def test_a_command_leaves_the_log_as_loud_as_it_was(tmp_path: Path) -> None:
    log = logging.getLogger("twolane.queue")
    before = log.level
    with opened_stores(Settings(tmp_path / "q.db", tmp_path / "blobs", "off")) as stores:
        assert log.level == before
        with pytest.raises(QueueMissing):
            stores.records.stats()
    assert log.level == before
