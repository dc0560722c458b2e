"""Local servers that speak AWS's protocols: one of each for the whole test run, whatever processes the run consists of.

They live in an environment of their own (`requirements/aws-server.txt`, made by `make test`), since they pin botocore.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.absent import absent
from tests.waiting import until

STARTS_S = 60.0
STOPS_S = 20.0
PLACE = Path(os.environ.get("TWOLANE_AWS_VENV") or f"{sys.prefix}-aws")
LAUNCHER = Path(__file__).with_name("turned_ministack.py")
KEEPER = Path(__file__).with_name("keeper.py")


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        url: where.
        clock: the file that holds the time of a test's own account, under the account's name; None: an account of all
            tests, which goes by the machine's clock.
    """

    url: str
    clock: Path | None = None

    @property
    def account(self) -> str:
        """The access key that says for whom a call is made."""
        return "test" if self.clock is None else self.clock.name

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find it, as people set it for AWS."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def program(name: str) -> str:
    """A program of the servers' environment; without it the tests that need it are skipped, and fail in CI."""
    path = PLACE / "bin" / name
    if not path.exists():
        absent(f"{path} is missing: `make test` makes it (requirements/aws-server.txt)")
    return str(path)


@contextmanager
def owned() -> Iterator[Path]:
    """The folder of a run's servers. They end with it, and with this process, however that ends."""
    with tempfile.TemporaryDirectory(prefix="twolane-aws-") as name, (Path(name) / "run").open("w") as run:
        folder = Path(name)
        fcntl.flock(run, fcntl.LOCK_EX)
        yield folder
        fcntl.flock(run, fcntl.LOCK_UN)
        _wait_for_keepers(folder)


def _wait_for_keepers(folder: Path) -> None:
    with (folder / "keepers").open("w") as keepers:

        def have_ended() -> bool:
            with suppress(BlockingIOError):
                fcntl.flock(keepers, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            return False

        until(have_ended, f"the servers of {folder} have ended", STOPS_S)


class Servers:
    """The servers of one run: whichever process needs one first starts it for all.

    Args:
        folder: as `owned` made it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ministack(self) -> Server:
        """S3, DynamoDB and SQS. Refuses a stale receipt."""
        clocks = self._clocks()
        command = [program("python"), str(LAUNCHER), str(clocks)]
        return Server(self._get("ministack", lambda port: command))

    def turned(self) -> Server:
        """The same server, for an account of the caller's own whose SQS goes by a clock that a test turns."""
        clock = self._clocks() / f"{1 + secrets.randbelow(10**12 - 1):012}"
        clock.write_text("0")
        return Server(self.ministack().url, clock)

    def roto(self) -> Server:
        """A second SQS, of the other kind: a stale receipt deletes."""
        binary = program("roto-server")
        return Server(self._get("roto", lambda port: [binary, "--ephemeral", "--port", str(port)]))

    def _clocks(self) -> Path:
        clocks = self.folder / "clocks"
        clocks.mkdir(exist_ok=True)
        return clocks

    def _get(self, name: str, command: Callable[[int], list[str]]) -> str:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        found = folder / "url"
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not found.exists():
                port = _free_port()
                url = f"http://127.0.0.1:{port}"
                self._start(command(port), folder, port, url)
                found.write_text(url)
        return found.read_text()

    def _start(self, command: list[str], folder: Path, port: int, url: str) -> None:
        environment = {
            **os.environ,
            "GATEWAY_PORT": str(port),
            "EDGE_PORT": str(port),
            "LOG_LEVEL": "ERROR",
            "MINISTACK_HOST": "127.0.0.1",
        }
        log = folder / "server.log"
        with log.open("wb") as output:
            subprocess.run(
                [sys.executable, str(KEEPER), str(self.folder), *command],
                stdout=output,
                stderr=output,
                env=environment,
                cwd=folder,
                start_new_session=True,  # Ctrl-C is for the tests, whose fixtures still need it
                check=True,
            )
        _wait_for(url, log)


def _wait_for(url: str, log: Path) -> None:
    def answers() -> bool:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310  (a port of this machine)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    until(answers, f"{url} answers", STARTS_S, told=lambda: log.read_text()[-2000:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
