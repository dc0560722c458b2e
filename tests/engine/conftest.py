from __future__ import annotations

from collections.abc import Iterator

import pytest

from twolane import Tasks
from twolane.backends.memory import MemoryBlobs, MemoryQueue
from twolane.engine.batcher import Batcher
from twolane.testing import VirtualClock


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def queue(clock: VirtualClock) -> MemoryQueue:
    return MemoryQueue(clock)


@pytest.fixture
def blobs(clock: VirtualClock) -> MemoryBlobs:
    return MemoryBlobs(clock)


@pytest.fixture
def batcher(queue: MemoryQueue) -> Iterator[Batcher]:
    batcher = Batcher(queue)
    yield batcher
    batcher.close()
