"""How the file is made and opened; what a file that cannot be a queue gets."""

from __future__ import annotations

import builtins
import io
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.backends.sqlite.house import SRC, House, python
from tests.clock import FakeClock
from twolane.backends.sqlite import SqliteQueue, SqliteRecords, schema
from twolane.backends.sqlite import connection as opening
from twolane.contracts.queue import AckDelivery, Outgoing, Send
from twolane.contracts.upkeep import Reap
from twolane.values.errors import QueueDamaged, QueueError, QueueMissing, QueueTooNew, SendRefused

EXPECTED = {
    "journal_mode": "wal",
    "synchronous": 2,
    "fullfsync": 1,
    "checkpoint_fullfsync": 1,
    "wal_autocheckpoint": 0,
    "foreign_keys": 1,
    "trusted_schema": 0,
    "busy_timeout": 5000,
    "application_id": schema.APPLICATION_ID,
    "user_version": len(schema.MIGRATIONS),
}


def pragmas(connection: sqlite3.Connection) -> dict[str, object]:
    return {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in EXPECTED}


def test_pragmas_of_every_connection(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def spy(*args, **kwargs):
        opened.append(connect(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", spy)
    house.send()
    house.records.stats()
    house.queue.next_visible_at(("default",), house.clock.now())

    assert len(opened) == 3
    for connection in opened:
        assert pragmas(connection) == EXPECTED
    assert [connection.execute("PRAGMA query_only").fetchone()[0] for connection in opened] == [0, 1, 1]


def test_only_one_line_of_the_package_opens_connections() -> None:
    demo = SRC / "twolane" / "cli" / "demo"  # counts rows in the example app's own database
    lines = [
        line
        for path in (SRC / "twolane").rglob("*.py")
        if demo not in path.parents
        for line in path.read_text().splitlines()
        if "sqlite3.connect(" in line
    ]
    assert len(lines) == 1


def test_every_file_is_for_its_owner_only(house: House) -> None:
    old = os.umask(0)
    try:
        house.send()
        house.register()
    finally:
        os.umask(old)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in house.path.parent.iterdir()}

    assert modes == {
        "queue.db": 0o600,
        "queue.db-wal": 0o600,
        "queue.db-shm": 0o600,
        "queue.db-lock": 0o600,
        "queue.db-workers": 0o700,
    }


def test_an_existing_file_is_never_opened_beside_sqlite(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing such a descriptor would drop the POSIX locks of the whole process."""
    house.send()
    by_python: dict[str, int] = {}

    def spied(plain: Callable[..., Any]) -> Callable[..., Any]:
        def spy(path, flags=0, *args, **kwargs):
            by_python[str(path)] = os.O_RDONLY if isinstance(flags, str) else flags
            return plain(path, flags, *args, **kwargs)

        return spy

    for module, name in ((os, "open"), (io, "open"), (builtins, "open")):  # Path.open is io's
        monkeypatch.setattr(module, name, spied(getattr(module, name)))
    other = house.open()
    other.flush([Reap()])
    house.do(AckDelivery(house.take().receipt))
    house.records.stats()
    monkeypatch.undo()

    assert f"{house.path}-lock" in by_python
    for name in (str(house.path), f"{house.path}-shm"):
        assert by_python.get(name, os.O_EXCL) & os.O_EXCL


def test_where_no_log_can_be_kept_there_is_no_queue(tmp_path: Path) -> None:
    with (
        sqlite3.connect(":memory:") as memory,
        pytest.raises(QueueError, match="cannot keep a write-ahead log here"),
    ):
        opening._keep_log(memory, tmp_path)
    memory.close()


def test_a_symbolic_link_and_its_file_share_their_lock(house: House, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere.db"
    link.symlink_to(house.path)

    queue = SqliteQueue(link, clock=house.clock)

    assert queue.path == house.path
    queue.close()


def refused(path: Path, **options) -> tuple[QueueError, QueueError]:
    """What a sender gets and why; what a reaper gets."""
    queue = SqliteQueue(path, clock=FakeClock(), **options)
    message = Outgoing("m", "default", "t", "{}", "d", 1.0)
    send, reap = queue.flush([Send((message,)), Reap()])
    queue.close()
    assert isinstance(send, SendRefused)
    assert send.ids == ("m",)
    assert isinstance(send.__cause__, QueueError)
    return send.__cause__, reap


def reading(path: Path) -> None:
    SqliteRecords(path, FakeClock()).stats()


def test_a_missing_file_is_made_by_a_writer_only(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"

    with pytest.raises(QueueMissing, match="start the app once"):
        reading(path)
    for error in refused(path, create=False):
        assert isinstance(error, QueueMissing)
    queue = SqliteQueue(path, clock=FakeClock(), create=False)
    assert queue.next_visible_at(("default",), 0.0) is None
    queue.close()
    SqliteQueue(path, clock=FakeClock()).close()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    for error in refused(tmp_path / "nowhere" / "queue.db"):
        assert "folder that exists" in str(error)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_queue(tmp_path: Path) -> None:
    for error in refused(tmp_path):
        assert "cannot be opened" in str(error)


def test_a_file_of_another_kind_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    path.write_bytes(b"flight,seats\n" * 1000)

    for error in refused(path):
        assert isinstance(error, QueueDamaged)
    with pytest.raises(QueueDamaged, match="keep a copy"):
        reading(path)
    assert path.read_bytes() == b"flight,seats\n" * 1000


@pytest.mark.parametrize("application_id", [0, 0x1234])
def test_another_programs_database_is_left_as_it_is(tmp_path: Path, application_id: int) -> None:
    path = tmp_path / "queue.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE users (name TEXT)")
    connection.execute(f"PRAGMA application_id = {application_id}")
    connection.close()
    before = path.read_bytes()

    for error in refused(path):
        assert isinstance(error, QueueDamaged)
        assert "another program" in str(error)
    with pytest.raises(QueueDamaged):
        reading(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_left_as_it_is(house: House) -> None:
    house.send()
    house.close()
    with house.shell() as shell:
        shell.execute("PRAGMA user_version = 99")

    for error in refused(house.path):
        assert isinstance(error, QueueTooNew)
        assert "99" in str(error)
    with pytest.raises(QueueTooNew, match="update twolane"):
        reading(house.path)


def test_an_empty_file_is_a_queue_not_begun(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    path.touch()

    with pytest.raises(QueueMissing):
        reading(path)
    house = House(path)
    house.send()
    assert house.records.stats().accepted == 1
    house.close()


def test_a_damaged_file_says_so(house: House) -> None:
    for _ in range(200):
        house.send(body="x" * 1000)
    house.close()
    content = bytearray(house.path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    house.path.write_bytes(content)

    for error in refused(house.path):
        assert isinstance(error, QueueDamaged)
    with pytest.raises(QueueDamaged):
        reading(house.path)


READ_ONLY = """
import os, sys
from pathlib import Path
from tests.backends.sqlite.test_connection import refused, reading
from twolane.backends.sqlite import SqliteRecords
from twolane.values.errors import QueueError
if os.getuid() == 0:
    os.setuid(65534)
path = Path(sys.argv[1])
print(refused(path)[0])
"""


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o444, 0o777), (0o644, 0o555)])
def test_a_read_only_file_or_folder_names_the_way_out(file_mode: int, folder_mode: int) -> None:
    folder = Path("/tmp") / f"twolane-read-only-{os.getpid()}"
    folder.mkdir()
    try:
        path = folder / "queue.db"
        house = House(path)
        house.send()
        house.close()
        for leftover in folder.iterdir():
            if leftover != path:
                leftover.unlink()
        path.chmod(file_mode)
        folder.chmod(folder_mode)

        process = python(READ_ONLY, path)
        output, _ = process.communicate()

        assert process.returncode == 0
        assert "cannot be written by user" in output
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_file_replaced_in_use_is_noticed(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """What is written into a removed file is lost at the next start."""
    house.send()
    assert house.records.stats().accepted == 1
    for path in house.path.parent.glob("queue.db*"):
        path.unlink()

    message_id = house.send()

    assert "removed or replaced" in caplog.text
    assert house.record(message_id).id == message_id
    assert house.records.stats().accepted == 1


def test_a_foreign_lock_is_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twolane.backends.sqlite.connection.BUSY_TIMEOUT_S", 0.01)
    house.send()
    other = house.open()
    with house.shell() as shell:
        shell.execute("BEGIN IMMEDIATE")
        [answer] = other.flush([Reap()])
        assert "locked by another program" in str(answer)
    assert other.flush([Reap()])[0].freed == 0
