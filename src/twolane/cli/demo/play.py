"""Plays the demo: a temporary folder, the processes in it, the story, the accounts, the report."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from twolane.cli.demo.accounts import Outcome, problems
from twolane.cli.demo.data import CsvFile, prepare
from twolane.cli.demo.example import TARGET, check_needed, example_folder
from twolane.cli.demo.failure import DemoFailed
from twolane.cli.demo.place import PYTHON, Opener, Place, this_machine
from twolane.cli.demo.processes import Processes
from twolane.cli.demo.report import Report, as_json_line, print_result
from twolane.cli.demo.stage import Stage
from twolane.cli.demo.story import KILLS, tell
from twolane.wiring.opening import make_runtime
from twolane.wiring.settings import read_settings
from twolane.wiring.target import load


def run(
    csv: Path | None = None,
    seed: int | None = None,
    *,
    as_json: bool = False,
    keep: bool = False,
    place: Opener = this_machine,
) -> int:
    """Play the demo to its end.

    Args:
        csv: the file to import, gzip or not; None: the real one beside a checkout, else a generated one.
        seed: where the kills fall and what a generated file holds; None: a random one.
        as_json: show no progress; print one JSON object as the last line.
        keep: leave the temporary folder with its databases and logs.
        place: where it is played.

    Returns:
        0: everything is accounted for; 1: something is not.

    Raises:
        SettingsError: something that the example needs is not installed.
    """
    check_needed()
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    with _folder(keep=keep) as folder, Report(quiet=as_json) as report, _sigterm_as_ctrl_c():
        try:
            return _play(folder, report, csv, seed, place)
        except DemoFailed as failure:
            print(f"twolane demo, seed {seed}: {failure}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"twolane demo, seed {seed}: interrupted", file=sys.stderr)
            return 128 + signal.SIGINT


def _play(folder: Path, report: Report, csv: Path | None, seed: int, opener: Opener) -> int:
    began = time.monotonic()
    report.say(f"seed {seed}, everything below {folder}")
    example = example_folder()
    _, tasks = load(TARGET, folder=str(example))
    with opener(folder) as place:
        environment = _environment(place, folder)
        runtime = make_runtime(tasks.registry, read_settings(environment=place.environment))
        with Processes(folder, environment, look_every_s=place.look_every_s) as processes:
            at = ["--app-dir", str(example), "--port", "0"]
            processes.start("api", [*PYTHON, "uvicorn", TARGET, *at])
            place.start_workers(processes, example, environment)
            file = prepare(csv, seed, folder)
            report.say(f"the file: {file.label}, {file.path.stat().st_size:,} bytes")
            stage = Stage(folder, file, place, runtime, processes, report, random.Random(seed))  # noqa: S311
            try:
                outcome = tell(stage)
            finally:
                runtime.close()
    return conclude(report, outcome, seconds=round(time.monotonic() - began, 1), seed=seed, file=file)


def conclude(report: Report, outcome: Outcome, *, seconds: float, seed: int, file: CsvFile) -> int:
    """Show the accounts; answer the exit code they deserve."""
    found = problems(outcome, kills=KILLS)
    print_result(report, outcome, found, seconds)
    if report.quiet:
        print(as_json_line(outcome, found, seconds=seconds, seed=seed, file=file))
    return 1 if found else 0


def _environment(place: Place, folder: Path) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TWOLANE_", "FLIGHTS_"))
    }
    own = {"FLIGHTS_DB": str(folder / "flights.db"), "FLIGHTS_MAIL": str(folder / "mail")}
    return {**kept, **place.environment, **own}


@contextmanager
def _folder(*, keep: bool) -> Generator[Path]:
    if keep:
        yield Path(tempfile.mkdtemp(prefix="twolane-demo-")).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="twolane-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


@contextmanager
def _sigterm_as_ctrl_c() -> Generator[None]:
    """Let whoever stops the demo find its processes gone, too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
