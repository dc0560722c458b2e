"""What holds for all tests."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever started us in the background ignores Ctrl-C, and every process of ours would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

from collections.abc import Iterator

import pytest

from tests.aws import servers


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A local AWS for the whole run."""
    with servers.ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture(scope="session")
def turned_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A local AWS whose SQS goes by a test's clock, for the whole run."""
    with servers.turned_ministack(tmp_path_factory.mktemp("turned")) as server:
        yield server


@pytest.fixture(scope="session")
def roto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A second SQS, for the whole run."""
    with servers.roto(tmp_path_factory.mktemp("roto")) as server:
        yield server
