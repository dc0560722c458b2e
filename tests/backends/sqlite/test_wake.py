"""Waking other processes by datagram."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest

from tests.backends.sqlite.house import FAILURE, House, python
from twolane.backends.sqlite import wake
from twolane.contracts.queue import ReleaseDelivery, RetryDelivery
from twolane.contracts.upkeep import Reap


def heard_by(house: House) -> tuple[threading.Event, object]:
    heard = threading.Event()
    return heard, house.open().listen(heard.set)


def test_another_queue_over_the_file_hears_of_what_becomes_visible(house: House) -> None:
    heard, _ = heard_by(house)

    house.send()
    assert heard.wait(10)
    heard.clear()
    house.do(ReleaseDelivery(house.take().receipt))

    assert heard.wait(10)


def test_it_hears_nothing_of_what_is_delayed(house: House) -> None:
    heard, _ = heard_by(house)
    house.send(delay_s=1)
    house.send()
    assert heard.wait(10)
    heard.clear()

    house.do(RetryDelivery(house.take().receipt, 5, FAILURE))

    assert not heard.wait(0.05)


def test_it_hears_of_what_becomes_visible_before_it_would_poll(house: House) -> None:
    heard, _ = heard_by(house)
    house.send(delay_s=0.5)
    assert heard.wait(10)
    house.send()
    taken = house.take()
    heard.clear()

    house.do(RetryDelivery(taken.receipt, 0.5, FAILURE))

    assert heard.wait(10)


LISTEN = """
import os, sys, threading
from pathlib import Path
from tests.backends.sqlite.house import House
house = House(Path(sys.argv[1]))
heard = threading.Event()
house.queue.listen(heard.set)
print("listening", flush=True)
assert heard.wait(30)
print(house.take().id, flush=True)
if sys.argv[2] == "closed":
    house.close()
else:
    os._exit(0)
"""


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_another_process_hears_at_once_and_leaves_nothing_behind(house: House, end: str) -> None:
    process = python(LISTEN, house.path, end)
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"

    message_id = house.send()

    assert process.communicate()[0] == f"{message_id}\n"
    assert process.returncode == 0
    house.do(Reap())
    assert list(wake.sockets_folder(house.path).iterdir()) == []


def test_who_stopped_listening_hears_nothing(house: House) -> None:
    calls: list[int] = []
    end = house.queue.listen(lambda: calls.append(1))

    end()
    end()
    house.send()

    assert calls == []


def test_a_long_path_uses_a_private_folder_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    house = House(deep / "queue.db")
    folder = wake.sockets_folder(deep / "queue.db")
    heard, _ = heard_by(house)

    house.send()

    assert heard.wait(10)
    assert folder.parent == Path(tempfile.gettempdir())
    assert folder.stat().st_mode & 0o777 == 0o700
    house.close()
    folder.rmdir()


def test_a_folder_that_others_may_enter_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wake.tempfile, "gettempdir", lambda: str(tmp_path))
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    folder = wake.sockets_folder(deep / "queue.db")
    folder.mkdir()
    folder.chmod(0o777)
    house = House(deep / "queue.db")
    calls: list[int] = []

    house.queue.listen(lambda: calls.append(1))
    house.send()

    assert "polling instead" in caplog.text
    assert calls == [1]
    assert list(folder.iterdir()) == []
    house.close()


def test_a_listener_that_does_not_read_stops_nobody(house: House) -> None:
    """Its buffer is full: it will wake anyway."""
    stuck = threading.Event()
    house.open().listen(lambda: bool(stuck.wait(30)))

    for _ in range(2000 if os.environ.get("CI") else 500):
        house.queue._notifier.notify()
    house.send()

    stuck.set()
    assert house.records.stats().accepted == 1
