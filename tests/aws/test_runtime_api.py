"""The local Lambda behaves as AWS's: what tests of twolane's own handler rely on."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.aws.runtime_api import Function, Settings, Throttled, function
from tests.waiting import until
from tests.worker_process.processes import lives

CODE = """
import os, signal, socket, threading

def turn():
    while True:
        pass

def on_sigterm(*_):
    print("SIGTERM came", flush=True)
    os._exit(0)  # sys.exit would wait for the runtime's own thread, which asks for the next event

signal.signal(signal.SIGTERM, on_sigterm)

def handler(event, context):
    match event["do"]:
        case "tell":
            return {"pid": os.getpid(), "left_ms": context.get_remaining_time_in_millis(), "event": event,
                    "id": context.aws_request_id, "environment": dict(os.environ), "cwd": os.getcwd()}
        case "raise":
            raise ValueError("no")
        case "hang":
            print("hanging", flush=True)
            threading.Event().wait()
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "begin to answer":
            begun = socket.create_connection(os.environ["AWS_LAMBDA_RUNTIME_API"].split(":"))
            path = f"/2018-06-01/runtime/invocation/{context.aws_request_id}/response"
            begun.sendall(f"POST {path} HTTP/1.1\\r\\nContent-Length: 26\\r\\n\\r\\n".encode() + event["sent"].encode())
            begun.shutdown(socket.SHUT_WR)
            begun.recv(1)  # it was looked at
            os.kill(os.getpid(), signal.SIGKILL)
        case "turn":
            threading.Thread(target=turn, daemon=True).start()
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Function]]:
    (tmp_path / "plain.py").write_text(CODE)
    (tmp_path / "broken.py").write_text("raise RuntimeError('the start is broken')")
    with ExitStack() as stack:

        def made(handler: str = "plain.handler", **options: Any) -> Function:
            return stack.enter_context(function(Settings(handler, tmp_path, **options)))

        yield made


def test_the_function_gets_event_context_and_environment(
    run: Callable[..., Function], tmp_path: Path
) -> None:
    worker = run(timeout_s=20.0, environment={"MINE": "1"}, name="imports")

    answer = worker.invoke({"do": "tell", "n": ["ü"]})

    told = answer.value
    assert (answer.error_type, told["event"]) == (None, {"do": "tell", "n": ["ü"]})
    assert told["id"] == answer.request_id
    assert 0 < told["left_ms"] <= 20_000
    assert told["cwd"] == str(tmp_path)
    assert told["environment"]["MINE"] == "1"
    assert told["environment"]["AWS_LAMBDA_FUNCTION_NAME"] == "imports"
    assert told["environment"]["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert "HOME" not in told["environment"], "nothing of this process's own environment"


def test_a_sandbox_is_used_again(run: Callable[..., Function]) -> None:
    worker = run()

    first, second = worker.invoke({"do": "tell"}), worker.invoke({"do": "tell"})

    assert first.value["pid"] == second.value["pid"]
    assert (first.is_cold, second.is_cold) == (True, False)


def test_an_exception_is_an_answer_and_the_sandbox_lives(run: Callable[..., Function]) -> None:
    worker = run()

    failed = worker.invoke({"do": "raise"})

    assert failed.error_type == "ValueError"
    assert failed.value["errorMessage"] == "no"
    assert not worker.invoke({"do": "tell"}).is_cold


def test_a_time_out_kills_the_process(run: Callable[..., Function]) -> None:
    worker = run(timeout_s=1.0)
    pid = worker.invoke({"do": "tell"}).value["pid"]

    answer = worker.invoke({"do": "hang"})

    assert answer.error_type == "Sandbox.Timedout"
    assert answer.value["errorMessage"] == "Task timed out after 1.00 seconds"
    assert not lives(pid)
    assert worker.invoke({"do": "tell"}).is_cold


def test_a_process_that_dies_fails_its_invocation(run: Callable[..., Function]) -> None:
    worker = run()

    answer = worker.invoke({"do": "die"})

    assert answer.error_type == "Runtime.ExitError"
    assert worker.invoke({"do": "tell"}).is_cold


def test_a_start_that_fails_fails_each_invocation(run: Callable[..., Function]) -> None:
    worker = run("broken.handler")

    for _ in range(2):
        answer = worker.invoke({"do": "tell"})
        assert answer.error_type is not None
        assert "the start is broken" in answer.value["errorMessage"]
    assert not worker.sandboxes


@pytest.mark.parametrize("sent", ["", '{"batchItemFailures": ['])
def test_an_answer_that_a_kill_has_cut_short_is_none(run: Callable[..., Function], sent: str) -> None:
    answer = run().invoke({"do": "begin to answer", "sent": sent})

    assert answer.error_type == "Runtime.ExitError"


def test_a_busy_sandbox_is_joined_by_another_up_to_the_limit(run: Callable[..., Function]) -> None:
    worker = run(concurrency=1)
    hanging = threading.Thread(target=worker.invoke, args=({"do": "hang"},))
    hanging.start()
    until(lambda: "hanging" in worker.log, "the first runs")

    with pytest.raises(Throttled):
        worker.invoke({"do": "tell"})

    worker.busy[0].kill()
    hanging.join()
    assert worker.invoke({"do": "tell"}).error_type is None


def test_between_two_invocations_it_stands_still(run: Callable[..., Function]) -> None:
    worker = run()
    worker.invoke({"do": "turn"})
    pid = worker.sandboxes[0].process.pid

    until(
        lambda: states(pid) == {"T (stopped)"},
        "each of its threads is stopped",
        told=lambda: str(states(pid)),
    )

    assert worker.invoke({"do": "tell"}).value["pid"] == pid, "and goes on"


def states(pid: int) -> set[str]:
    """What the kernel says of each thread of a process."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {re.findall(r"^State:\t(.*)$", (each / "status").read_text(), re.MULTILINE)[0] for each in threads}


def test_sigterm_comes_first_where_there_is_an_extension(run: Callable[..., Function]) -> None:
    worker = run(shutdown_s=20.0)
    pid = worker.invoke({"do": "tell"}).value["pid"]

    worker.retire()

    assert "SIGTERM came" in worker.log
    assert not lives(pid)


def test_without_one_it_is_killed(run: Callable[..., Function]) -> None:
    worker = run()
    pid = worker.invoke({"do": "tell"}).value["pid"]

    worker.retire()

    assert "SIGTERM came" not in worker.log
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def test_an_event_that_aws_would_not_take_is_refused(run: Callable[..., Function]) -> None:
    with pytest.raises(ValueError, match="AWS takes 6291456"):
        run().invoke({"do": "x" * 6 * 1024 * 1024})
