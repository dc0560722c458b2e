"""A local Lambda: one real `awslambdaric` process a sandbox, forked (tests/forks.py), fed by a Runtime API of three routes.

What is real: AWS's own runtime client, the process, its environment variables and headers, the deadline, the time-out
(the process is killed), the freezing between two invocations (it is stopped: its threads stand still, its connections
grow old), cold starts, errors at the start, and a limit of concurrent sandboxes that throttles.

    with function(Settings("app.handler", folder, environment=server.environment)) as f:
        answer = f.invoke({"Records": []})
        assert answer.value == {"batchItemFailures": []}, f.log

`folder` holds the code, as LAMBDA_TASK_ROOT does. `f.sandboxes` are the processes that live, with their pids;
`sandbox.kill()` is a crash. How a queue feeds it: event_source.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.aws.bodies import read_whole
from tests.forks import start
from tests.waiting import until

INIT_S = 120.0
"""AWS gives a start 10 s, and a second try within the time-out of the first invocation; a busy machine is no AWS."""
PAYLOAD_BYTES = 6 * 1024 * 1024
REGION = "us-east-1"
ACCOUNT = "000000000000"
_ROUTE = "/2018-06-01/runtime/"


class Throttled(Exception):
    """All sandboxes that the function may have are busy: AWS answers 429."""


@dataclass(frozen=True)
class Settings:
    """A function's settings.

    Attributes:
        handler: `module.name`.
        folder: where its code is.
        environment: variables beside those that Lambda sets.
        timeout_s: of one invocation.
        init_s: of a start; more than AWS's own where many tests share a machine.
        memory_mb: what the function is told; nothing is limited.
        name: the function's.
        concurrency: so many sandboxes at most.
        freezes: a sandbox stands still between two invocations.
        shutdown_s: 0: a sandbox is killed at its end; else it gets SIGTERM first, as with an extension (0.5 s).
        python: the version that AWS_EXECUTION_ENV names: from 3.12 on the runtime's main thread hears signals.
    """

    handler: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout_s: float = 30.0
    init_s: float = INIT_S
    memory_mb: int = 512
    name: str = "worker"
    concurrency: int = 1000
    freezes: bool = True
    shutdown_s: float = 0.0
    python: str = "3.12"

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"


@dataclass(frozen=True)
class Answer:
    """What became of an invocation.

    Attributes:
        request_id: its id.
        payload: what the function answered, or its error.
        error_type: None: it succeeded. As AWS has it: an exception's name, `Runtime.ExitError`, `Sandbox.Timedout`.
        is_cold: the sandbox was started for it.
    """

    request_id: str
    payload: bytes
    error_type: str | None
    is_cold: bool

    @property
    def value(self) -> Any:
        return json.loads(self.payload)


@dataclass(frozen=True)
class Invoked:
    """An invocation that is over.

    Attributes:
        pid: the sandbox's process.
        began_at: epoch seconds; a cold start is part of it.
        ended_at: epoch seconds.
        failed: it gave no answer of its own: it raised, was killed, or timed out.
        died: its sandbox ended with it.
    """

    pid: int
    began_at: float
    ended_at: float
    failed: bool
    died: bool = False


class Sandbox:
    """One execution environment: a process and the Runtime API that it asks."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings = settings
        self.invocations = 0
        self._changed = threading.Condition()
        self._asks = False
        self._event: tuple[str, float, bytes] | None = None
        self._answer: tuple[bytes, str | None] | None = None
        self._init_error: tuple[bytes, str] | None = None
        self._over = False
        self._api = _Api(("127.0.0.1", 0), self)
        self._serving = threading.Thread(target=self._api.serve_forever, args=(0.05,), daemon=True)
        self._serving.start()
        self.process = start(
            "awslambdaric",
            settings.handler,
            environment=self._environment(),
            folder=settings.folder,
            stdout=log,
            session=True,
        )
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def lives(self) -> bool:
        return not self._over

    def invoke(self, payload: bytes, request_id: str) -> Answer:
        """One invocation, until the process asks for the next one."""
        timeout_s, is_cold = self.settings.timeout_s, not self.invocations
        self.invocations += 1
        if is_cold and not self._await_start(max(self.settings.init_s, timeout_s)):
            payload, error = self._init_error or _platform(
                "Runtime.ExitError", "Runtime exited during its start"
            )
            self.kill()
            return Answer(request_id, payload, error, is_cold)
        with self._changed:
            self._signal(signal.SIGCONT)
            self._answer, self._asks = None, False
            self._event = (request_id, time.time() + timeout_s, payload)
            self._changed.notify_all()
            in_time = self._changed.wait_for(
                lambda: self._over or (self._asks and self._answer is not None), timeout_s
            )
            answer, is_over = self._answer, self._over
            if self._asks and self.settings.freezes:
                self._signal(signal.SIGSTOP)
        if not in_time:
            self.kill()
            answer = answer or _platform("Sandbox.Timedout", f"Task timed out after {timeout_s:.2f} seconds")
        elif is_over and answer is None:
            how = self.process.wait()
            answer = _platform("Runtime.ExitError", f"Runtime exited with {how}")
        assert answer is not None
        return Answer(request_id, answer[0], answer[1], is_cold)

    def kill(self) -> None:
        """The process and all its children die, and the sandbox with them."""
        self._signal(signal.SIGKILL)
        self.process.wait()
        self._end()

    def close(self) -> None:
        """AWS takes the sandbox away."""
        if self.lives and self.settings.shutdown_s:
            self._signal(signal.SIGCONT)
            self._await_waiting()
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self.settings.shutdown_s)
        self.kill()

    # Asked by the process, in threads of the Runtime API.

    def next_event(self) -> tuple[str, float, bytes] | None:
        """What the process is to do next; None: nothing more."""
        with self._changed:
            self._asks = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._over or self._event is not None)
            event, self._event = self._event, None
            return event

    def answered(self, payload: bytes, error_type: str | None) -> None:
        with self._changed:
            self._answer = (payload, error_type)
            self._changed.notify_all()

    def failed_to_start(self, payload: bytes, error_type: str) -> None:
        with self._changed:
            self._init_error = (payload, error_type)
            self._changed.notify_all()

    def _await_start(self, within_s: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._asks or self._init_error is not None, within_s)
            return self._asks and not self._over

    def _await_waiting(self) -> None:
        """Until the main thread waits again, which alone hears signals.

        While it is on its way back from SIGCONT the kernel gives the next signal to another thread, and one that comes
        while it waits for the interpreter's lock is not heard before it wakes again. AWS freezes otherwise, without
        signals.
        """
        status, last = Path(f"/proc/{self.process.pid}/status"), ""

        def rests() -> bool:
            nonlocal last
            before, last = last, _rest(status)
            return before == last

        until(rests, "the main thread waits", INIT_S, look_s=0.05)

    def _watch(self) -> None:
        self.process.wait()
        self._end()

    def _end(self) -> None:
        with self._changed:
            if self._over:
                return
            self._over = True
            self._changed.notify_all()
        self._api.shutdown()
        self._api.server_close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _environment(self) -> dict[str, str]:
        name = self.settings.name
        return {
            "PATH": os.environ["PATH"],
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "_HANDLER": self.settings.handler,
            "LAMBDA_TASK_ROOT": str(self.settings.folder),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.settings.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"2026/01/01/[$LATEST]{uuid.uuid4().hex}",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{self.settings.python}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **self.settings.environment,
        }


class _Api(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        super().__init__(address, _Routes)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A process that was killed has cut its connection: that is the point of it."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Routes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = (
        -1
    )  # the headers in one packet with the body: else each answer waits for the client's acknowledgement
    disable_nagle_algorithm = True
    server: _Api

    def do_GET(self) -> None:
        if self.path != f"{_ROUTE}invocation/next":
            return self._say(404)
        event = self.server.sandbox.next_event()
        if event is None:
            self.close_connection = True
            return None
        request_id, deadline, payload = event
        trace = f"Root=1-{int(deadline):08x}-{uuid.uuid4().hex[:24]};Sampled=0"
        return self._say(
            200,
            payload,
            {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": self.server.sandbox.settings.arn,
                "Lambda-Runtime-Trace-Id": trace,
            },
        )

    def do_POST(self) -> None:
        payload = read_whole(self.rfile, int(self.headers["Content-Length"]))
        error_type = self.headers.get("Lambda-Runtime-Function-Error-Type")
        if self.path == f"{_ROUTE}init/error":
            self.server.sandbox.failed_to_start(payload, error_type or "Runtime.Unknown")
        elif self.path.endswith("/error"):
            self.server.sandbox.answered(payload, _error_type(payload, error_type))
        elif self.path.endswith("/response"):
            self.server.sandbox.answered(payload, None)
        else:
            return self._say(404)
        return self._say(202, b'{"status":"OK"}')

    def _say(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def _rest(status: Path) -> str:
    """What stays as it is while a thread sleeps: that it does, and how often it was scheduled. Empty: it is over."""
    if not status.exists():
        return ""
    lines = [
        line for line in status.read_text().splitlines() if line.startswith(("State:", "voluntary_ctxt"))
    ]
    return "\n".join(lines) if "S (sleeping)" in lines[0] else f"{lines} {time.monotonic()}"


def _error_type(payload: bytes, header: str | None) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(payload)["errorType"])
    return header or "Unhandled"


def _platform(error_type: str, message: str) -> tuple[bytes, str]:
    """An error that AWS reports in the function's place."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode(), error_type


class Function:
    """A function: its sandboxes, made when needed and used again.

    Attributes:
        invoked: the invocations that are over.
    """

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings = settings
        self._log = log
        self._guard = threading.Lock()
        self._idle: list[Sandbox] = []
        self._busy: list[Sandbox] = []
        self.invoked: list[Invoked] = []
        log.touch()

    @property
    def sandboxes(self) -> list[Sandbox]:
        """Those that live; the busy ones first."""
        with self._guard:
            return [each for each in (*self._busy, *self._idle) if each.lives]

    @property
    def busy(self) -> list[Sandbox]:
        """Those that run an invocation now."""
        with self._guard:
            return [each for each in self._busy if each.lives]

    @property
    def log(self) -> str:
        """What all its sandboxes have written."""
        return self._log.read_text(errors="replace")

    def invoke(self, event: Any) -> Answer:
        """Invoke synchronously.

        Raises:
            Throttled: all sandboxes are busy.
            ValueError: the event is larger than AWS takes.
        """
        payload = json.dumps(event).encode()
        if len(payload) > PAYLOAD_BYTES:
            raise ValueError(f"an event of {len(payload)} bytes: AWS takes {PAYLOAD_BYTES}")
        sandbox = self._take()
        began_at, failed = time.time(), True
        try:
            answer = sandbox.invoke(payload, str(uuid.uuid4()))
            failed = answer.error_type is not None
            return answer
        finally:
            over = Invoked(sandbox.process.pid, began_at, time.time(), failed, died=not sandbox.lives)
            self.invoked.append(over)
            with self._guard:
                self._busy.remove(sandbox)
                if sandbox.lives:
                    self._idle.append(sandbox)

    def retire(self) -> None:
        """AWS takes the idle sandboxes away, as after a while without invocations."""
        with self._guard:
            idle, self._idle = self._idle, []
        for sandbox in idle:
            sandbox.close()

    def close(self) -> None:
        """Delete the function: all sandboxes go."""
        self.retire()
        for sandbox in self.sandboxes:
            sandbox.kill()

    def _take(self) -> Sandbox:
        with self._guard:
            self._idle = [each for each in self._idle if each.lives]
            if not self._idle and len(self._busy) >= self.settings.concurrency:
                raise Throttled(f"{self.settings.name} has {len(self._busy)} busy sandboxes")
            sandbox = self._idle.pop() if self._idle else Sandbox(self.settings, self._log)
            self._busy.append(sandbox)
            return sandbox


@contextmanager
def function(settings: Settings, log: Path | None = None) -> Iterator[Function]:
    """A function, deleted at the end.

    Args:
        settings: its settings.
        log: the file that it logs to; None: `function.log` beside its code.
    """
    made = Function(settings, log or settings.folder / "function.log")
    try:
        yield made
    finally:
        made.close()
