"""Several real processes over one file: nobody starves, nothing is lost, whoever is killed."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest

from tests.backends.sqlite.house import House, python

WRITER = """
import json, sys, time
from pathlib import Path
from tests.backends.sqlite.house import House
from twolane.contracts.queue import Send

house = House(Path(sys.argv[1]))
name, flushes = sys.argv[2], int(sys.argv[3])
house.send(id=name)
print("ready", flush=True)
sys.stdin.readline()
worst = 0.0
for number in range(flushes):
    batch = [Send((house.outgoing(id=f"{name}-{number}-{each}"),)) for each in range(20)]
    began = time.perf_counter()
    answers = house.queue.flush(batch)
    worst = max(worst, time.perf_counter() - began)
    assert all(isinstance(answer, tuple) for answer in answers), answers
print(json.dumps(worst))
house.close()
"""


def test_writers_at_once_neither_starve_nor_lose(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    processes = [python(WRITER, path, name, 100) for name in ("a", "b", "c")]
    for process in processes:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()

    worst = [json.loads(process.communicate()[0]) for process in processes]

    house = House(path)
    assert house.records.stats().accepted == 3 + 3 * 100 * 20
    house.close()
    assert max(worst) < 2.0  # SQLite's own waiting: 2.2 to 7.2 s


LOOP = """
import os, sys
from pathlib import Path
from tests.backends.sqlite.house import House
from twolane.contracts.queue import AckDelivery, Receive, Send

house = House(Path(sys.argv[1]))
number = 0
settle = []
while True:
    number += 1
    batch = [Send((house.outgoing(id=f"{sys.argv[2]}-{number}-{each}", body="x" * 500),)) for each in range(5)]
    *answers, deliveries = house.queue.flush([*settle, *batch, Receive("w", ("default",), None, 3, 60.0)])
    settle = [AckDelivery(delivery.receipt) for delivery in deliveries]
    os.write(1, "".join(f"{answer[0].id}\\n" for answer in answers[-5:]).encode())
"""


def test_what_was_answered_survives_a_kill_in_the_middle_of_commits(
    tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    path = tmp_path / "queue.db"
    seed = random.randrange(2**32)
    record_property("seed", seed)
    chance = random.Random(seed)
    answered: list[str] = []
    for round_ in range(6):
        process = python(LOOP, path, round_)
        assert process.stdout is not None
        answered += [process.stdout.readline().strip() for _ in range(chance.randrange(5, 400))]
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        answered += rest.split()

    house = House(path)
    with house.shell() as shell:
        stored = {message_id for (message_id,) in shell.execute("SELECT id FROM messages")}
        assert shell.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len(answered) > 30
    assert set(answered) <= stored, f"seed {seed}"
    assert house.records.stats().accepted == len(stored)
    house.close()
