"""The lock round every write."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.backends.sqlite.house import House, python
from twolane.backends.sqlite import exits
from twolane.backends.sqlite.write_lock import WriteLock
from twolane.contracts.upkeep import Reap


def test_it_excludes_other_holders_in_the_same_process_too(tmp_path: Path) -> None:
    held, taken = WriteLock(tmp_path / "queue.db"), threading.Event()
    other = WriteLock(tmp_path / "queue.db")

    def take() -> None:
        other.take()
        taken.set()
        other.release()

    held.take()
    thread = threading.Thread(target=take)
    thread.start()
    assert not taken.wait(0.05)
    held.release()
    assert taken.wait(10)
    thread.join()
    held.close()
    other.close()


def test_a_removed_file_excludes_nobody_and_is_made_anew(tmp_path: Path) -> None:
    first, second = WriteLock(tmp_path / "queue.db"), WriteLock(tmp_path / "queue.db")
    first.take()
    first.release()
    (tmp_path / "queue.db-lock").unlink()
    second.take()
    waits = threading.Thread(target=first.take)

    waits.start()
    waits.join(0.05)

    assert waits.is_alive()
    second.release()
    waits.join(10)
    assert not waits.is_alive()
    first.close()
    second.close()


def test_nobody_closes_a_writing_connection_without_it(house: House) -> None:
    """The last one to close checkpoints."""
    house.send()
    lock = WriteLock(house.path)
    lock.take()
    closing = threading.Thread(target=house.queue.close)

    closing.start()
    closing.join(0.05)

    assert closing.is_alive()
    assert Path(f"{house.path}-wal").exists()
    lock.release()
    closing.join(10)
    assert not Path(f"{house.path}-wal").exists()
    lock.close()


def test_what_is_open_when_the_interpreter_ends_is_closed_under_it(house: House) -> None:
    house.send()
    exits._close_all()  # as atexit does; what the garbage collector closes is closed without the lock
    assert house.queue._writer._connection is None


AT_EXIT = """
import sys
from pathlib import Path
from tests.backends.sqlite.house import House, python
house = House(Path(sys.argv[1]))
house.send()
"""


def test_a_process_that_just_ends_closes_in_order(tmp_path: Path) -> None:
    process = python(AT_EXIT, tmp_path / "queue.db")
    process.communicate()

    assert process.returncode == 0
    assert not (tmp_path / "queue.db-wal").exists()
    house = House(tmp_path / "queue.db")
    assert house.do(Reap()).freed == 0
    assert house.records.stats().accepted == 1
    house.close()
