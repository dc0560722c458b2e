from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.watch.processes import Process, Watched


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.records.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `python -m` with this queue; what is left of it is cleared away."""
    started: list[Process] = []

    def start(*command: str, **env: str) -> Process:
        started.append(Process(tmp_path, *command, **env))
        return started[-1]

    yield start
    for process in started:
        process.clear_away()


@pytest.fixture
def serve(start: Callable[..., Process]) -> Callable[..., Process]:
    """Starts an API process."""

    def serve(**env: str) -> Process:
        process = start("uvicorn", "tests.watch.served:app", "--port", "0", **env)
        process.until_logged("running on http")
        return process

    return serve
