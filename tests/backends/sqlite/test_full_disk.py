"""A disk that is full: what does not fit is refused, what was answered is there, and room makes it work again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.absent import mount_small
from tests.backends.sqlite.house import House, python
from twolane.contracts.queue import AckDelivery, Send, Settled
from twolane.values.errors import QueueError, SendRefused

BODY = "x" * 20_000


def fill(house: House) -> tuple[list[str], QueueError]:
    """Send until it is refused or unknown; the ids that were answered, and the error."""
    stored: list[str] = []
    while len(stored) < 5000:
        message = house.outgoing(body=BODY)
        try:
            [answer] = house.queue.flush([Send((message,))])
        except QueueError as unknown:
            return stored, unknown
        if isinstance(answer, SendRefused):
            assert isinstance(answer.__cause__, QueueError)
            return stored, answer.__cause__
        stored.append(message.id)
    raise AssertionError("it never became full")


def test_a_size_limit_refuses_what_does_not_fit_alone(tmp_path: Path) -> None:
    house = House(tmp_path / "queue.db", max_pages=200)
    stored, error = fill(house)
    assert "make room" in str(error)
    [first, *_] = house.receive(limit=1)

    small, large, ack = house.queue.flush(
        [Send((house.outgoing(),)), Send((house.outgoing(body=BODY * 5),)), AckDelivery(first.receipt)]
    )

    assert isinstance(small, tuple)
    assert isinstance(large, SendRefused)
    assert ack == Settled(held=True)
    assert house.records.stats().accepted == len(stored) + 1
    house.close()
    roomy = House(house.path)
    roomy.send(id="later", body=BODY)
    assert all(roomy.records.body(message_id) == BODY for message_id in [*stored, "later"])
    roomy.close()


FILE_LIMIT = """
import json, resource, sys
from pathlib import Path
from tests.backends.sqlite.house import House
from tests.backends.sqlite.test_full_disk import fill

house = House(Path(sys.argv[1]))
house.send(id="before")
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
stored, error = fill(house)
again, _ = fill(house)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
house.send(id="after")
print(json.dumps([stored + again, str(error)]))
house.close()
"""


def test_a_file_size_limit_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    process = python(FILE_LIMIT, tmp_path / "queue.db")
    output, _ = process.communicate()
    stored, error = json.loads(output)

    assert stored
    assert error
    house = House(tmp_path / "queue.db")
    for message_id in ["before", *stored, "after"]:
        house.record(message_id)
    house.send()
    house.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount_small(folder, "1500k")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing_that_was_answered(small_disk: Path) -> None:
    house = House(small_disk / "queue.db")
    stored, error = fill(house)
    assert len(stored) > 10
    assert "make room" in str(error) or "disk I/O error" in str(error)

    fill(house)
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    later = house.send(body=BODY)

    for message_id in [*stored, later]:
        house.record(message_id)
    house.close()
