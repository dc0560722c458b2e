"""A queue file that vanishes, is locked, or lies on a disk that takes no writes: said once, and then it goes on."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.absent import mount_small
from tests.waiting import until
from tests.watch.processes import Process, Watched
from twolane.values.fingerprint import normalised

Start = Callable[..., Process]
CANNOT = "the queue cannot be watched now"
AGAIN = "the queue can be watched again"


def looks_go_on(watched: Watched) -> None:
    before = watched.state.looked_at or 0
    until(lambda: (watched.state.looked_at or 0) > before, "it looks again")


def test_a_queue_that_is_not_there_yet_is_waited_for(watched: Watched, start: Start) -> None:
    alone = start("twolane", "watch", EVERY_S="0.1")
    alone.until_logged("watching sqlite:///")
    assert not watched.path.exists()
    watched.send()
    alone.until_logged("this process leads the watch")
    assert CANNOT not in alone.log


def test_a_queue_file_that_vanishes(watched: Watched, serve: Start) -> None:
    watched.send()
    server = serve()
    looks_go_on(watched)
    away = watched.path.with_name("away")
    away.mkdir()
    for path in list(watched.path.parent.glob("queue.db*")):
        path.rename(away / path.name)

    server.until_logged(CANNOT)

    for path in list(away.iterdir()):
        path.rename(watched.path.parent / path.name)
    server.until_logged(AGAIN)
    looks_go_on(watched)
    assert server.log.count(CANNOT) == 1
    assert "Traceback" not in server.log


def test_a_queue_that_another_program_locks(watched: Watched, serve: Start) -> None:
    watched.send()
    server = serve()
    looks_go_on(watched)
    shell = sqlite3.connect(watched.path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")

    server.until_logged(CANNOT)
    assert server.get("/health/live")[0] == 200
    until(
        lambda: server.get("/health/ready")[1]["checks"]["queue"] == "cannot be written", "readiness says it"
    )
    assert server.get("/health/ready")[0] == 503

    shell.execute("ROLLBACK")
    shell.close()
    server.until_logged(AGAIN)
    looks_go_on(watched)
    assert server.log.count(CANNOT) == 1
    until(lambda: server.get("/health/ready")[0] == 200, "it is ready again")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount_small(folder, "20m")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up(small_disk: Path, serve: Start) -> None:
    watched = Watched(small_disk)
    watched.send()
    server = serve(TWOLANE_QUEUE=f"sqlite:///{watched.path}")
    until(lambda: server.get("/health")[1]["conditions"], "what is wrong with a small disk of memory")
    status, told = server.get("/health")
    assert {each["name"] for each in told["conditions"]} == {"place", "disk"}
    assert (status, told["checks"]["disk"]) == (503, "full")  # less than 32 MiB are free
    filler = small_disk / "filler"
    fill(filler)

    server.until_logged(CANNOT)
    until(
        lambda: server.get("/health/ready")[1]["checks"]["queue"] == "cannot be written", "readiness says it"
    )

    filler.unlink()
    server.until_logged(AGAIN)
    looks_go_on(watched)
    said = [normalised(line) for line in server.log.splitlines() if CANNOT in line]
    assert len(said) == len(set(said)), "each trouble is said once: a full disk fails in more than one way"
    watched.records.close()
    assert server.end() in (0, -signal.SIGTERM)


def fill(file: Path) -> None:
    """Take all that is left of a disk."""
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while out.write(b"x" * 4096):
            pass


def test_a_disk_that_is_read_only(small_disk: Path, start: Start) -> None:
    watched = Watched(small_disk)
    watched.send()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    alone = start("twolane", "watch", TWOLANE_QUEUE=f"sqlite:///{watched.path}")
    alone.until_logged(CANNOT)
    once = start("twolane", "watch", "--once", TWOLANE_QUEUE=f"sqlite:///{watched.path}")
    assert once.process.wait(60) == 3
    assert "Traceback" not in once.log

    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    alone.until_logged(AGAIN)
    assert alone.log.count(CANNOT) == 1
    watched.records.close()
    assert alone.end() == 0
