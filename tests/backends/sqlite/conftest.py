from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.sqlite.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty queue."""
    house = House(tmp_path / "queue.db")
    yield house
    house.close()
