from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from dataclasses import replace

import pytest

from twolane.engine.followers import Followers
from twolane.values.record import Record, State

ONE = Record("1", "load", "default", State.WAITING, 1, 0, 0.0, 0.0)
RUNNING = replace(ONE, state=State.RUNNING)


class Shelf:
    """Records to read, and a gate before each reading ends."""

    def __init__(self, *records: Record) -> None:
        self.records = {record.id: record for record in records}
        self.begun, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.asked: list[set[str]] = []

    def read(self, message_ids: Collection[str]) -> dict[str, Record]:
        found = {each: self.records[each] for each in message_ids if each in self.records}
        self.asked.append(set(message_ids))
        self.begun.set()
        assert self.gate.wait(20)
        return found

    async def until_begun(self) -> None:
        self.begun.clear()
        assert await asyncio.to_thread(self.begun.wait, 20)


def test_who_comes_during_a_reading_is_told_nothing_of_it() -> None:
    """It asked for less than is followed now, and what it found is older than what the newcomers have seen."""
    shelf = Shelf(ONE)
    followers = Followers(shelf.read, pause_s=0.001)

    async def follow() -> None:
        with followers.follow(ONE) as first:
            shelf.gate.clear()
            await shelf.until_begun()
            other = replace(ONE, id="2")
            shelf.records |= {"1": RUNNING, "2": other}
            with followers.follow(RUNNING) as same, followers.follow(other) as another:
                shelf.gate.set()
                assert await first.change() == RUNNING
                shelf.records |= {"1": replace(RUNNING, done=1.0), "2": replace(other, done=2.0)}
                same_next, another_next = await same.change(), await another.change()
                assert same_next is not None
                assert same_next.done == 1.0
                assert another_next is not None
                assert another_next.done == 2.0
        await followers.drain()

    asyncio.run(follow())


def test_the_end_of_a_reading_is_waited_for() -> None:
    shelf = Shelf(ONE)
    followers = Followers(shelf.read, pause_s=0.001)

    async def follow() -> None:
        with followers.follow(ONE) as follower:
            shelf.gate.clear()
            await shelf.until_begun()
            followers.release()
            assert await follower.change() is None
        draining = asyncio.create_task(followers.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        shelf.gate.set()
        await draining

    asyncio.run(follow())


def test_after_a_shutdown_others_can_follow_again() -> None:
    shelf = Shelf(ONE)
    followers = Followers(shelf.read, pause_s=0.001)

    async def follow() -> None:
        with followers.follow(ONE) as before:
            followers.release()
            assert await before.change() is None
            with followers.follow(ONE) as after:
                shelf.records["1"] = RUNNING
                assert await after.change() == RUNNING
        await followers.drain()

    asyncio.run(follow())


def test_a_shutdown_after_the_loop_has_gone(recwarn: pytest.WarningsRecorder) -> None:
    followers = Followers(Shelf(ONE).read, pause_s=60.0)

    async def leave_open() -> None:
        followers.follow(ONE).__enter__()

    asyncio.run(leave_open())
    followers.release()
    assert len(recwarn) == 0
