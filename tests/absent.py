"""What a machine lacks: a test that needs it is skipped with the reason, and fails in CI, which has everything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


def absent(what: str) -> NoReturn:
    """End a test, or a fixture, for want of something.

    Args:
        what: is lacking, and why, as a sentence.
    """
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and in CI no test is skipped")
    pytest.skip(what)


def mount_small(folder: Path, size: str) -> None:
    """Mount a file system of its own, that is soon full.

    Args:
        folder: where; the caller unmounts it.
        size: as tmpfs has it, such as `20m`.
    """
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        absent("no file system may be mounted here")
