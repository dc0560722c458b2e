"""One server for all processes of a run: it ends with the run, however that ends, and a test's clock is its own."""

from __future__ import annotations

import fcntl
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.places import Place, TurnedClock
from tests.aws.servers import Server, Servers, program
from tests.clock import FakeClock
from twolane.contracts.queue import Outgoing, Receive, Send

OWNER = """
import sys
from tests.aws.servers import Servers, owned

with owned() as folder:
    print(folder, Servers(folder).roto().url, Servers(folder).roto().url, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[str]]:
    """A process that owns a run, and waits with a server running."""
    program("roto-server")
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with process:
        yield process
        process.kill()


def started(owner: subprocess.Popen[str]) -> Path:
    """The run's folder, once its server answers; asked a second time, it was the same server."""
    assert owner.stdout is not None
    folder, url, again = owner.stdout.readline().split()
    assert url == again
    return Path(folder)


def keepers_end(folder: Path) -> None:
    """Waits for the end of those that run the servers."""
    with (folder / "keepers").open() as keepers:
        fcntl.flock(keepers, fcntl.LOCK_EX)


def test_a_server_ends_with_the_run(owner: subprocess.Popen[str]) -> None:
    folder = started(owner)
    owner.communicate("\n")
    assert owner.returncode == 0
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_server_outlives_a_run_that_is_ended(owner: subprocess.Popen[str], number: signal.Signals) -> None:
    folder = started(owner)
    keepers = (folder / "keepers").open()
    with pytest.raises(BlockingIOError):
        fcntl.flock(keepers, fcntl.LOCK_EX | fcntl.LOCK_NB)
    owner.send_signal(number)
    owner.wait()
    fcntl.flock(keepers, fcntl.LOCK_EX)
    keepers.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_whoever_started_a_server_ends_with_no_process_that_it_did_not_wait_for() -> None:
    program("roto-server")
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", OWNER],
        input="\n",
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    assert "ResourceWarning" not in ended.stderr


def test_two_processes_that_need_a_server_at_once_share_it(
    local: Servers, request: pytest.FixtureRequest
) -> None:
    script = "import sys; from pathlib import Path; from tests.aws.servers import Servers; print(Servers(Path(sys.argv[1])).roto().url)"
    command = [sys.executable, "-c", script, str(local.folder)]
    program("roto-server")
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        for _ in "ab"
    ]
    urls = {process.communicate()[0].strip() for process in both}
    assert urls == {local.roto().url}


def test_each_test_turns_a_clock_of_its_own(local: Servers, aws: Server) -> None:
    """The first one's hour passes for its account alone."""
    turned, other = local.turned(), local.turned()
    assert turned.url == other.url == aws.url
    clock, still = TurnedClock(turned), TurnedClock(other)

    def is_received(server: Server, clock: FakeClock, after_s: float) -> bool:
        place = Place(server)
        queue = place.queue(clock, poll_s=0)
        queue.flush([Send((Outgoing("m", "default", "work", "{}", "d", clock.now(), delay_s=3600),))])
        clock.advance(after_s)
        [deliveries] = queue.flush([Receive("w", ("default",), None, 1, 60.0)])
        queue.close()
        place.close()
        return bool(deliveries)

    assert is_received(turned, clock, 3600)
    assert not is_received(other, still, 0)
