"""A bounded pool whose stuck members can be given up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from tests.waiting import until
from twolane.engine.threads import Threads

WAIT_S = 30


@pytest.fixture
def pool() -> Iterator[Threads]:
    pool = Threads(2, name="pool")
    yield pool
    pool.close()


class Job:
    """Runs until it is let go."""

    def __init__(self) -> None:
        self.began, self.go, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.thread = ""

    def __call__(self) -> None:
        self.thread = threading.current_thread().name
        self.began.set()
        assert self.go.wait(WAIT_S)
        self.ended.set()

    def finish(self) -> None:
        self.go.set()
        assert self.ended.wait(WAIT_S)


@pytest.fixture
def jobs() -> Iterator[list[Job]]:
    jobs = [Job() for _ in range(6)]
    yield jobs
    for job in jobs:
        job.go.set()


def test_runs_so_many_at_a_time(pool: Threads, jobs: list[Job]) -> None:
    for job in jobs[:3]:
        pool.submit(job)
    assert jobs[0].began.wait(WAIT_S)
    assert jobs[1].began.wait(WAIT_S)
    assert (pool.free, pool._made) == (0, 2)
    assert not jobs[2].began.is_set()
    jobs[0].finish()
    assert jobs[2].began.wait(WAIT_S)
    assert jobs[2].thread == jobs[0].thread


def test_makes_threads_only_when_needed_and_keeps_them(pool: Threads) -> None:
    names: queue.SimpleQueue[str] = queue.SimpleQueue()
    for _ in range(20):
        pool.submit(lambda: names.put(threading.current_thread().name))
        assert names.get(timeout=WAIT_S).startswith("pool-")
        until(lambda: pool.free == 2, "both are free", look_s=0.001)
    assert pool._made == 1


def test_counts_what_is_free(pool: Threads, jobs: list[Job]) -> None:
    assert pool.free == 2
    pool.submit(jobs[0])
    assert pool.free == 1
    jobs[0].finish()
    until(lambda: pool.free == 2, "both are free", look_s=0.001)


def test_counts_what_is_reserved_as_taken(pool: Threads, jobs: list[Job]) -> None:
    pool.reserve()
    assert pool.free == 1
    pool.submit(jobs[0], reserved=True)
    assert pool.free == 1
    pool.reserve()
    assert pool.free == 0
    pool.unreserve()
    assert pool.free == 1
    jobs[0].finish()


def test_a_stuck_one_is_replaced(pool: Threads, jobs: list[Job]) -> None:
    for job in jobs[:2]:
        pool.submit(job)
        assert job.began.wait(WAIT_S)
    pool.give_up()
    assert (pool.stuck, pool.free) == (1, 1)
    pool.submit(jobs[2])
    assert jobs[2].began.wait(WAIT_S)
    assert pool.free == 0


def test_what_waits_behind_a_stuck_one_runs_once_it_is_given_up(pool: Threads, jobs: list[Job]) -> None:
    for job in jobs[:3]:
        pool.submit(job)
    assert jobs[1].began.wait(WAIT_S)
    pool.give_up()
    assert jobs[2].began.wait(WAIT_S)


def test_one_that_comes_back_is_not_one_too_many(pool: Threads, jobs: list[Job]) -> None:
    def comes_back() -> None:
        jobs[0]()
        pool.came_back()

    pool.submit(comes_back)
    assert jobs[0].began.wait(WAIT_S)
    pool.give_up()
    for job in jobs[1:3]:
        pool.submit(job)
        assert job.began.wait(WAIT_S)
    jobs[0].finish()
    until(lambda: pool.stuck == 0, "none is stuck", look_s=0.001)
    until(lambda: pool._alive == 2, "two are alive", look_s=0.001)
    for job in jobs[3:5]:
        pool.submit(job)
    assert pool._alive == 2
    assert not jobs[3].began.is_set()
    for job in jobs[1:3]:
        job.finish()
    assert jobs[3].began.wait(WAIT_S)
    assert jobs[4].began.wait(WAIT_S)


def test_closed_its_threads_end(jobs: list[Job]) -> None:
    pool = Threads(2, name="closing")
    for job in jobs[:2]:
        pool.submit(job)
        assert job.began.wait(WAIT_S)
    pool.close()
    for job in jobs[:2]:
        job.finish()
    until(
        lambda: not [each for each in threading.enumerate() if each.name.startswith("closing-")],
        "all have gone",
    )
