"""Processes beside the benchmark: a worker, a server, and what they tell."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WORKER = [sys.executable, "-c", "from twolane.cli import main; main()", "worker", "benchmarks.app:app"]


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "TWOLANE_QUEUE": os.environ.get("TWOLANE_QUEUE", f"sqlite:///{folder / 'twolane.db'}"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


@contextmanager
def queue_in(folder: Path) -> Iterator[None]:
    """This process's own sends of `benchmarks.app` go to the queue in `folder`, whatever the size of an upload."""
    from benchmarks.app import tasks
    from twolane.engine.limits import Limits
    from twolane.wiring.opening import make_runtime
    from twolane.wiring.settings import read_settings

    settings = read_settings(worker="off", environment=environment(folder))
    before = tasks.swap_runtime(make_runtime(tasks.registry, settings, Limits(upload_bytes=10**9)))
    try:
        yield
    finally:
        tasks.close()
        tasks.swap_runtime(before)


class Telling:
    """A process that tells what it measured, a line of JSON each."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process

    def told(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process ended with {self.process.wait()}: see its log above")
        return json.loads(line)


@contextmanager
def run(command: list[str], folder: Path) -> Iterator[Telling]:
    """A process and its log; ends with the block."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(folder)
        )
    try:
        yield Telling(process)
    except BaseException:
        sys.stderr.write((folder / "log").read_text())
        raise
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def worker(folder: Path) -> Iterator[Telling]:
    """`twolane worker` over the queue in `folder`."""
    with run(WORKER, folder) as telling:
        yield telling


class Server:
    """An app under uvicorn, asked over one connection that stays open."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str) -> bytes:
        self.connection.request("GET", path)
        return self.connection.getresponse().read()

    def cpu_s(self, path: str, requests: int) -> float:
        """CPU seconds of the server for so many requests, the two that ask for it included."""
        before = float(self.get("/cpu"))
        for _ in range(requests):
            self.get(path)
        return float(self.get("/cpu")) - before


@contextmanager
def server(app: str, folder: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        f"benchmarks.app:{app}",
        "--port",
        str(port),
        "--no-access-log",
    ]
    with run(command, folder):
        answering = Server(port)
        for _ in range(200):
            try:
                answering.get("/none")
                break
            except OSError:
                answering.connection.close()
                time.sleep(0.05)
        yield answering
        answering.connection.close()
