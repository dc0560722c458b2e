from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.places import Place, TurnedClock
from tests.clock import FakeClock
from tests.contract.house import BACKENDS, Backend, House, InAws, InSqlite
from twolane.backends.memory import MemoryQueue
from twolane.backends.sqlite import SqliteQueue
from twolane.backends.sqs import SqsQueue
from twolane.contracts.queue import Capabilities

CAPABILITIES: dict[str, Capabilities] = {
    "aws": SqsQueue.capabilities,
    "aws-fifo": SqsQueue.capabilities,
    "memory": MemoryQueue.capabilities,
    "sqlite": SqliteQueue.capabilities,
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*names): holds on backends with these capabilities only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A law for every backend, or for those that have the capability it is about."""
    if "house" in metafunc.fixturenames:
        needed = [name for mark in metafunc.definition.iter_markers("needs") for name in mark.args]
        able = [name for name, can in CAPABILITIES.items() if all(getattr(can, each) for each in needed)]
        if not metafunc.module.__name__.endswith("test_laws"):
            able = [
                name for name in able if name != "aws-fifo"
            ]  # the laws are what a kind of queue could break
        metafunc.parametrize("house", able, indirect=True)


@pytest.fixture
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """The same laws for every backend."""
    if request.param.startswith("aws"):
        server = request.getfixturevalue("turned_aws")
        clock: FakeClock = TurnedClock(server)
        backend: Backend = InAws(Place(server, fifo=request.param == "aws-fifo"), clock)
    else:
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
