"""Processes of the demo: what ends or is late is said with the end of its log, and nothing is left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from twolane.cli.demo.failure import DemoFailed
from twolane.cli.demo.processes import Processes, is_gone

WAITS = "import os, signal; print(os.getpid(), flush=True); signal.pause()"


def test_a_process_ends_with_the_block(tmp_path: Path) -> None:
    with Processes(tmp_path, {}) as processes:
        processes.start("one", [sys.executable, "-c", WAITS])
        pid = int(processes.until(lambda: processes.log("one").read_text(), "its first words"))
        assert not is_gone(pid)
    assert is_gone(pid)


def test_a_process_that_ended_is_named_with_its_last_words(tmp_path: Path) -> None:
    with Processes(tmp_path, {}) as processes:
        processes.start("one", [sys.executable, "-c", "import sys; sys.exit('no such app')"])
        with pytest.raises(DemoFailed) as failure:
            processes.until(lambda: None, "it to start")
    assert "one ended with exit code 1 while the demo waited for it to start" in str(failure.value)
    assert str(failure.value).endswith("--- the end of one.log\nno such app")


def test_the_log_of_a_process_that_another_started_is_shown_too(tmp_path: Path) -> None:
    with Processes(tmp_path, {}) as processes:
        processes.start("one", [sys.executable, "-c", "import sys; sys.exit('no such app')"])
        processes.log("worker").write_text("no such table")
        with pytest.raises(DemoFailed) as failure:
            processes.until(lambda: None, "it to start")
    assert str(failure.value).endswith(
        "--- the end of one.log\nno such app\n--- the end of worker.log\nno such table"
    )


def test_what_is_late_is_said(tmp_path: Path) -> None:
    with Processes(tmp_path, {}) as processes, pytest.raises(DemoFailed, match=r"rain: not within 0\.01 s"):
        processes.until(lambda: None, "rain", within_s=0.01)
