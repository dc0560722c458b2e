"""Real servers: uvicorn or gunicorn in processes of their own."""

import http.client
import os
import queue
import re
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress

from tests.forks import ROOT, start

WAIT_S = 100.0


UVICORN = ("uvicorn", "--port", "0")
GUNICORN = ("gunicorn", "--worker-class", "uvicorn_worker.UvicornWorker", "--bind", "127.0.0.1:0")


class Server:
    """A uvicorn process, or gunicorn with one worker; the lines it says, and its gate.

    Args:
        app: `module:app`.
        *options: of the server.
        server: which one.
        **env: for its environment.
    """

    def __init__(self, app: str, *options: str, server: Sequence[str] = UVICORN, **env: str) -> None:
        typed, types = os.pipe()
        says, said = os.pipe()
        self._process = start(
            *server,
            *options,
            app,
            environment={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **env},
            stdin=typed,
            stdout=said,
            session=True,  # its children can be killed with it
        )
        os.close(typed)
        os.close(said)
        self._types = types
        self._says = open(says)  # noqa: SIM115, PTH123
        self.said: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        running = re.search(r"//127.0.0.1:(\d+) ", self.hear("http://127.0.0.1:"))
        assert running is not None
        self.port = int(running[1])
        self.connection = self.connect()

    def connect(self) -> http.client.HTTPConnection:
        """Another connection; its caller closes it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)

    def _read(self) -> None:
        for line in self._says:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def hear(self, words: str) -> str:
        """Wait for a line."""
        while (line := self._lines.get(timeout=WAIT_S)) is not None:
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError("\n".join([f"the server ended without saying {words!r}", *self.said]))

    def request(self, method: str, path: str) -> bytes:
        self.connection.request(method, path)
        return self.connection.getresponse().read()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def open(self) -> None:
        """Let the tasks end."""
        os.write(self._types, b"open\n")

    def end(self) -> str:
        """Wait for the end of the process; all it said."""
        self._process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        while (line := self._lines.get(timeout=WAIT_S)) is not None:
            self.said.append(line)
        return "\n".join(self.said)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        self.connection.close()
        os.close(self._types)
        self._says.close()
