"""Local servers that speak AWS's protocols, each a process of its own for the whole test run.

They live in an environment of their own (`requirements/aws-server.txt`, made by `make test`), since they pin botocore.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

STARTS_S = 60.0
PLACE = Path(os.environ.get("TWOLANE_AWS_VENV") or f"{sys.prefix}-aws")
LAUNCHER = Path(__file__).with_name("turned_ministack.py")


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        url: where.
        clock: the file that holds its time, where a test turns it.
    """

    url: str
    clock: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find it, as people set it for AWS."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def program(name: str) -> str:
    """A program of the servers' environment; without it the tests that need it are skipped, and fail in CI."""
    path = PLACE / "bin" / name
    if not path.exists():
        told = f"{path} is missing: `make test` makes it (requirements/aws-server.txt)"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)
    return str(path)


@contextmanager
def ministack(folder: Path) -> Iterator[Server]:
    """MiniStack as it is."""
    with _running([program("ministack")], folder) as url:
        yield Server(url)


@contextmanager
def turned_ministack(folder: Path) -> Iterator[Server]:
    """MiniStack whose SQS goes by a clock that a test turns."""
    clock = folder / "clock"
    clock.write_text("0")
    with _running([program("python"), str(LAUNCHER), str(clock)], folder) as url:
        yield Server(url, clock)


@contextmanager
def roto(folder: Path) -> Iterator[Server]:
    """The other kind: a stale receipt deletes."""
    port = _free_port()
    with _running([program("roto-server"), "--ephemeral", "--port", str(port)], folder, port) as url:
        yield Server(url)


@contextmanager
def _running(command: list[str], folder: Path, port: int | None = None) -> Iterator[str]:
    port = port or _free_port()
    environment = {
        **os.environ,
        "GATEWAY_PORT": str(port),
        "EDGE_PORT": str(port),
        "LOG_LEVEL": "ERROR",
        "MINISTACK_HOST": "127.0.0.1",
    }
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, process, log)
            yield url
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310  (a port of this machine)
        except urllib.error.HTTPError:
            return  # it answers
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.args!r} did not start: {log.read_text()[-2000:]}") from error
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
