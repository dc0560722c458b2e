"""`twolane worker`: becomes the parent of a worker process."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from twolane.cli.options import APP_HELP, AppDir
from twolane.cli.orders import Orders
from twolane.values.errors import SettingsError
from twolane.wiring.target import find_target

Target = Annotated[str | None, typer.Argument(metavar="[MODULE:APP]", help=APP_HELP)]
Queues = Annotated[
    list[str] | None,
    typer.Option(
        "--queue", metavar="NAME", help="Serve this queue only; may be repeated. Else those of the tasks."
    ),
]
Slots = Annotated[
    int | None,
    typer.Option("--slots", min=1, metavar="N", help="How many tasks run at a time (default: 10)."),
]
Grace = Annotated[
    float | None,
    typer.Option(
        "--grace",
        min=0,
        metavar="SECONDS",
        help="How long a stop waits for running tasks; the rest is given back (default: 25).",
    ),
]


LogAsJson = Annotated[bool, typer.Option("--json", help="Log as JSON: one object a line on standard error.")]


def worker(
    target: Target = None,
    app_dir: AppDir = None,
    queue: Queues = None,
    slots: Slots = None,
    grace: Grace = None,
    as_json: LogAsJson = False,
) -> None:
    """Run the tasks of the queue lane in a process of their own, and keep it running."""
    found = find_target(target, folder=app_dir)
    if found is None:
        raise SettingsError(
            'which app? Say `twolane worker module:app`, or set TWOLANE_APP, or write app = "module:app" '
            "below [tool.twolane] in pyproject.toml"
        )
    orders = Orders(found.name, found.folder, tuple(queue or ()), slots, grace, as_json)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # The parent lives as long as the worker: it takes this process over without what the command line loaded.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "twolane.cli.parent", orders.written()])  # noqa: S606
