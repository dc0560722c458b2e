"""What holds for all tests."""

from __future__ import annotations

import os
import signal
import sys
import time

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever started us in the background ignores Ctrl-C, and every process of ours would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import ExceptionChainRepr, ReprEntry
from hypothesis import settings

from tests.aws import servers
from tests.dealing import long_first

settings.register_profile("patient", deadline=None)  # a busy machine makes nothing wrong
settings.load_profile("patient")

OWNED = pytest.StashKey[Path]()
"""The folder of the run's local servers."""
KILL_SEED = "TWOLANE_KILL_SEED"
"""The seed of the rounds of kills and faults: one for all processes of a run."""


LINES, WIDTH = 40, 400
"""So much of each text of a failure is shown: lines at its beginning and at its end, and columns."""


def clip(report: pytest.TestReport) -> None:
    """Leave out the middle of the long texts of a failure."""
    report.sections = [(name, "\n".join(clipped(text.splitlines()))) for name, text in report.sections]
    if not isinstance(report.longrepr, ExceptionChainRepr):
        return
    for traceback, crash, _ in report.longrepr.chain:
        for entry in traceback.reprentries:
            if isinstance(entry, ReprEntry):
                entry.lines = clipped(entry.lines)
        if crash is not None:
            crash.message = "\n".join(clipped(crash.message.splitlines()))


def clipped(lines: Sequence[str]) -> list[str]:
    """The first and the last of many lines, each no longer than a screen or two."""
    short = [line if len(line) <= WIDTH else f"{line[:WIDTH]}[...]" for line in lines]
    left_out = len(short) - 2 * LINES
    if left_out <= 1:
        return short
    return [*short[:LINES], f"[... {left_out} lines; pytest -vv shows them]", *short[-LINES:]]


def pytest_configure(config: pytest.Config) -> None:
    """Own the run's local servers; a worker of pytest-xdist is told of them by its controller."""
    # The tests start some hundred interpreters: where no bytecode may be kept, each compiles FastAPI and the rest anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ.setdefault(KILL_SEED, str(time.time_ns() % 1_000_000))  # before any module of tests reads it
    told = getattr(config, "workerinput", None)
    if told is None:
        owner = servers.owned()
        config.stash[OWNED] = owner.__enter__()
        config.add_cleanup(lambda: owner.__exit__(None, None, None))
    else:
        config.stash[OWNED] = Path(told["servers"])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Clip what a failure says: the log of ten thousand tasks would hide the other failures of a run. -vv: all of it."""
    report = yield
    if report.failed and item.config.get_verbosity() < 2:
        clip(report)
    return report


def pytest_report_header() -> str:
    """Say how the rounds of this run are had again."""
    return f"kill rounds: {KILL_SEED}={os.environ[KILL_SEED]}"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist."""
    node.workerinput["servers"] = str(node.config.stash[OWNED])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Twice the cores, since much of the time goes into waiting for other processes; each collects the tests anew."""
    return min(2 * (os.cpu_count() or 1), 8)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes run the tests, those that are marked as long begin first."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = long_first(items, lambda item: item.get_closest_marker("long") is not None, workers)


@pytest.fixture(scope="session")
def local(request: pytest.FixtureRequest) -> servers.Servers:
    """The run's local servers."""
    return servers.Servers(request.config.stash[OWNED])


@pytest.fixture(scope="session")
def aws(local: servers.Servers) -> servers.Server:
    """A local AWS for the whole run."""
    return local.ministack()


@pytest.fixture
def turned_aws(local: servers.Servers) -> servers.Server:
    """The local AWS, with an account of the test's own whose SQS goes by the test's clock."""
    return local.turned()


@pytest.fixture(scope="session")
def roto(local: servers.Servers) -> servers.Server:
    """A second SQS, for the whole run."""
    return local.roto()
