"""A process that is forked is as one that an interpreter starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import forks
from tests.forks import Forked
from tests.worker_process.processes import lives

TELLS = """
import json, os, signal, sys

import logging

print(json.dumps({
    "logs": [(len(each.handlers), each.level, each.getEffectiveLevel()) for each in map(logging.getLogger, (None, "twolane", "twolane.worker"))],
    "in a group of its own": os.getpgid(0) == os.getpid(),
    "ignores": str(signal.getsignal(signal.SIGUSR1)),
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "arguments": sys.argv,
    "path": sys.path,
    "main": [__name__, __spec__.name, sys.modules["__main__"].__spec__.name],
    "typed": sys.stdin.read(),
    "leads": os.getsid(0) == os.getpgid(0) == os.getpid(),
    "open": sorted(os.listdir("/dev/fd")),
    "handlers": [str(signal.getsignal(number)).split(" at ")[0] for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
    "wakes": signal.set_wakeup_fd(-1),
    "streams": [[each.encoding, each.errors, each.line_buffering, each.write_through] for each in (sys.stdout, sys.stderr)],
}))
"""
STARTS = {
    "a child": "sys.exit(subprocess.run(command).returncode)",
    "with its output captured": "print(subprocess.run(command, capture_output=True, text=True, input='typed by us').stdout)",
    "elsewhere": "sys.exit(subprocess.run(command, cwd='/', env=os.environ | {'HERE': '/'}).returncode)",
    "in a session of its own": "sys.exit(subprocess.run(command, start_new_session=True, stdin=subprocess.DEVNULL).returncode)",
    "with a file of ours": "sys.exit(subprocess.run(command, pass_fds=[os.open('told.py', os.O_RDONLY)]).returncode)",
    "from a thread": "thread = threading.Thread(target=subprocess.run, args=(command,)); thread.start(); thread.join()",
    "in its own place": "os.execv(sys.executable, command)",
}
"""How a process starts another, after it has set up this and that for itself alone."""
STARTER = """
import logging, os, signal, subprocess, sys, threading

command = [sys.executable, *sys.argv[3:], "-m", "tells"]
logging.basicConfig(level="INFO")
logging.getLogger("twolane").setLevel("DEBUG")  # which was not there before
sys.path.append("/for/us/alone")
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
os.open("told.py", os.O_RDONLY)
"""
ENDS = {
    "well": "",
    "with a code": "sys.exit(3)",
    "with None": "sys.exit()",
    "with a sentence": "sys.exit('there is no such app')",
    "with an error": "1 / 0",
    "by SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "by SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
    "by SIGINT": "os.kill(os.getpid(), signal.SIGINT); signal.pause()",
    "with a thread": "threading.Thread(target=lambda: (threading.main_thread().join(), print('the thread has ended'))).start()",
    "with a daemon": "threading.Thread(target=signal.pause, daemon=True).start()",
    "with a duty": "atexit.register(print, 'the duty is done')",
}
HEAD = "import atexit, os, signal, sys, threading\n"


Told = tuple[int, str]
"""An exit code, and what was said."""


@pytest.fixture
def told_by(tmp_path: Path) -> Callable[..., tuple[Told, Told]]:
    """What becomes of a module in a process that an interpreter starts, and in one that is forked."""

    def told_by(code: str, *arguments: str, **environment: str) -> tuple[Told, Told]:
        (tmp_path / "told.py").write_text(code)
        (tmp_path / "tells.py").write_text(TELLS)
        (tmp_path / "typed").write_text("typed")
        ours = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "LANG", "LC_"))}
        environment = {**ours, "PYTHONPATH": f"{forks.ROOT / 'src'}:{tmp_path}", **environment}
        command, said = ["told", "one", "2", *arguments], (tmp_path / "by-one", tmp_path / "by-the-other")
        with (tmp_path / "typed").open() as stdin, said[0].open("wb") as out:
            one = subprocess.run(
                [sys.executable, "-m", *command],
                env=environment, cwd=tmp_path, stdin=stdin, stdout=out, stderr=out,
                start_new_session=True, check=False,
            )  # fmt: skip
        with (tmp_path / "typed").open() as stdin:
            other = forks.start(
                *command, environment=environment, folder=tmp_path, stdin=stdin, stdout=said[1], session=True
            )
        return (one.returncode, said[0].read_text()), (other.wait(), said[1].read_text())

    return told_by


@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
def test_it_has_its_own_environment_place_and_files(
    told_by: Callable[..., tuple[Told, Told]], unbuffered: dict[str, str]
) -> None:
    one, other = told_by(TELLS, MINE="1", **unbuffered)
    assert (one[0], other[0]) == (0, 0)
    assert json.loads(one[1]) == json.loads(other[1])


@pytest.mark.parametrize("safe", [(), ("-P",)], ids=["", "safe"])
@pytest.mark.parametrize("how", STARTS)
def test_what_it_starts_is_forked_too_and_no_different(
    told_by: Callable[..., tuple[Told, Told]], how: str, safe: tuple[str, ...]
) -> None:
    one, other = told_by(f"{STARTER}{STARTS[how]}\n", *safe)
    assert (one[0], other[0]) == (0, 0)
    assert json.loads(one[1]) == json.loads(other[1])


def test_what_it_starts_needs_no_interpreter(run: Callable[..., Forked], tmp_path: Path) -> None:
    (tmp_path / "tells.py").write_text("import sys; print('twolane.fastapi' in sys.modules, flush=True)")
    start = "command = [sys.executable, '-m', 'tells']\n"
    for how in ("import subprocess; subprocess.run(command)", "os.execv(sys.executable, command)"):
        assert run(start + how, environment={"PYTHONPATH": str(tmp_path)}).wait() == 0
    assert (tmp_path / "said").read_text() == "True\nTrue\n"


@pytest.mark.parametrize("end", ENDS)
def test_a_child_ends_as_one(told_by: Callable[..., tuple[Told, Told]], end: str) -> None:
    ends = f"{HEAD}{ENDS[end]}"
    starts = "import subprocess, sys; print(subprocess.run([sys.executable, '-m', 'ends']).returncode)"
    one, other = told_by(f"open('ends.py', 'w').write({ends!r})\n{starts}\n")
    assert [said.splitlines()[-1] for _, said in (one, other)] == [one[1].splitlines()[-1]] * 2


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_as_one(told_by: Callable[..., tuple[Told, Told]], end: str) -> None:
    one, other = told_by(f"{HEAD}print('begun', flush=True)\n{ENDS[end]}\n")
    assert [(code, said.splitlines()[0], said.splitlines()[-1]) for code, said in (one, other)] == [
        (one[0], "begun", one[1].splitlines()[-1])
    ] * 2


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Forked]]:
    """Starts processes that run some code."""
    started: list[Forked] = []

    def run(code: str, **options: Any) -> Forked:
        name = f"runs_{len(started)}"
        (tmp_path / f"{name}.py").write_text(HEAD + code)
        options = {"environment": {}, "folder": tmp_path, "stdout": tmp_path / "said", **options}
        started.append(forks.start(name, **options))
        return started[-1]

    yield run
    for each in started:
        each.kill()


def test_whoever_waits_holds_up_nobody(run: Callable[..., Forked]) -> None:
    typed, types = os.pipe()
    waiting = run("sys.stdin.readline()", stdin=typed)
    with ThreadPoolExecutor(2) as pool:
        codes = [pool.submit(waiting.wait) for _ in range(2)]
        assert run("sys.exit(3)").wait() == 3
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.01)
        assert waiting.poll() is None
        os.write(types, b"\n")
        assert [code.result() for code in codes] == [0, 0]
    assert (waiting.poll(), waiting.wait()) == (0, 0)
    os.close(typed)
    os.close(types)


def test_one_that_is_dead_is_gone_and_no_signal_is_sent_to_its_successor(run: Callable[..., Forked]) -> None:
    process = run("signal.pause()")
    process.kill()
    assert process.wait() == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    process.terminate()


def test_what_still_runs_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """Also where that one is killed: the system closes the socket of its orders."""
    (tmp_path / "runs.py").write_text("import signal; signal.pause()")
    forker = forks.Forker(())
    process = forker.start("runs", environment={}, folder=tmp_path, stdout=tmp_path / "said")
    forker.close()
    assert process.wait() == -signal.SIGKILL
    assert not lives(process.pid)


def test_nothing_that_is_imported_before_may_have_read_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It would be ours, and not that of the process."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "reads.py").write_text("import os; os.environ.get('TWOLANE_QUEUE')")
    monkeypatch.setattr(forks, "ROOT", tmp_path)
    forker = forks.Forker(("reads",))
    forker.close()
    assert "TWOLANE_QUEUE was read as modules were imported" in capfd.readouterr().err
