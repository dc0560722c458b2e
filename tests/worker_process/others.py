"""A second app on the same queue file; it knows none of the tasks of jobs.py."""

from __future__ import annotations

import os
from pathlib import Path

from twolane import Tasks

FOLDER = Path(os.environ["TWOLANE_TEST_FOLDER"])
tasks = Tasks(worker="off")


@tasks.task(if_lost="alert", name="others")
def others(text: str) -> None:
    with (FOLDER / "journal").open("a") as journal:
        journal.write(f"{os.getpid()} others {text}\n")


@tasks.task(if_lost="alert", name="nobody_knows", patience_s=0.2)
def nobody_knows() -> None: ...


@tasks.task(if_lost="ignore", name="only_background")
def only_background() -> None: ...


no_queue = Tasks(worker="off")
