from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clock import FakeClock
from tests.contract.house import BACKENDS, House, InSqlite


@pytest.fixture(params=sorted(BACKENDS))
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """The same laws for every backend."""
    clock = FakeClock()
    backend = BACKENDS[request.param](tmp_path, clock)
    yield House(backend, clock)
    backend.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[InSqlite]:
    """A SQLite file, for the laws that only a process or a disk can show."""
    backend = InSqlite(tmp_path, FakeClock())
    yield backend
    backend.close()


@pytest.fixture
def sqlite_house(sqlite: InSqlite) -> House:
    """A queue over that file."""
    return House(sqlite, sqlite.clock)
