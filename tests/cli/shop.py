"""The app whose queue these tests ask about; its import leaves a trace, to see who imports it."""

from __future__ import annotations

import os
from pathlib import Path

from twolane import Backoff, Blob, GiveUp, TaskContext, Tasks

(Path(os.environ["TWOLANE_TEST_FOLDER"]) / "imported").touch()
tasks = Tasks(worker="off")


@tasks.task(if_lost="alert", name="greet", unique_key="{name}")
def greet(name: str, times: int = 1) -> str:
    return f"hello {name}" * times


@tasks.task(if_lost="alert", name="fails", max_attempts=2, backoff=Backoff(base_s=0))
def fails(order: int, note: str) -> None:
    raise ValueError(f"order {order}: \x1b[2J\x07 {note}")


@tasks.task(if_lost="alert", name="gives_up")
def gives_up(ctx: TaskContext, order: int) -> None:
    ctx.checkpoint({"row": 41}, done=41, total=100)
    raise GiveUp("no such order", public="We do not know this order.")


@tasks.task(if_lost="alert", name="reads")
def reads(upload: Blob) -> None:
    raise GiveUp("as it always does")
