"""A fork: the child refuses what its parent opened, harms nothing, and does not keep a dead parent alive."""

from __future__ import annotations

from pathlib import Path

from tests.backends.sqlite.house import House, python
from twolane.contracts.upkeep import Reap

FORK = """
import os, sys
from pathlib import Path
from tests.backends.sqlite.house import House
from twolane.contracts.queue import Send
from twolane.contracts.upkeep import Reap
from twolane.values.errors import QueueError

house = House(Path(sys.argv[1]))
house.send(id="parent before")
house.records.stats()
house.queue.listen(lambda: None)
inherited = house.queue._writer._connection
references = sys.getrefcount(inherited)
child = os.fork()
if child == 0:
    assert house.queue._writer._connection is None
    # the writer and its log let go of it, and one reference is for ever: the end of this process does not close it
    assert sys.getrefcount(inherited) == references - 2 + 1
    try:
        house.queue.flush([Send((house.outgoing(id="child, inherited"),))])
    except QueueError as error:
        assert "before this process was forked" in str(error)
    else:
        os._exit(2)
    assert house.records.stats().accepted == 1
    own = House(Path(sys.argv[1]))
    own.send(id="child, own")
    house.close()
    own.close()
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
house.send(id="parent after")
assert house.records.stats().accepted == 3
assert house.do(Reap()).freed == 0
print(*sorted(path.name for path in Path(sys.argv[1]).parent.iterdir()))
house.close()
"""


def test_a_child_opens_its_own_and_its_end_harms_nobody(tmp_path: Path) -> None:
    process = python(FORK, tmp_path / "queue.db")
    output, _ = process.communicate()

    assert process.returncode == 0
    assert "queue.db-wal" in output.split()


EARLY = """
import os, sys
from pathlib import Path
from tests.backends.sqlite.house import House

house = House(Path(sys.argv[1]))
for name in ("one", "two"):
    child = os.fork()
    if child == 0:
        house.send(id=name)
        house.close()
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
house.send(id="three")
house.close()
"""


def test_a_queue_that_was_not_opened_yet_may_be_forked(tmp_path: Path) -> None:
    """As gunicorn does with --preload."""
    process = python(EARLY, tmp_path / "queue.db")
    process.communicate()
    assert process.returncode == 0
    house = House(tmp_path / "queue.db")
    assert {house.record(name).id for name in ("one", "two", "three")} == {"one", "two", "three"}
    house.close()


ORPHAN = """
import os, signal, sys
from pathlib import Path
from tests.backends.sqlite.house import House

house = House(Path(sys.argv[1]))
house.send()
house.register()
house.take()
if os.fork() == 0:
    print("forked", flush=True)
    sys.stdin.read()
    os._exit(0)
sys.stdin.read(1)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_does_not_keep_a_dead_worker_alive(house: House) -> None:
    process = python(ORPHAN, house.path)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "forked\n"
    assert house.records.stats().workers != ()

    process.kill()
    process.wait()

    assert house.do(Reap()).dead_workers == ("w",)
    process.stdin.close()
    process.stdout.close()
