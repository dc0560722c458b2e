"""`twolane demo`: the story runner, which lies in `twolane.cli.demo`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

import typer

from twolane.values.errors import SettingsError

Csv = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        exists=True,
        dir_okay=False,
        metavar="PATH",
        help="The file to import; else a generated one of 10 MB.",
    ),
]
Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", help="Where the kills fall; else a random one, printed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


def demo(csv: Csv = None, seed: Seed = None, as_json: AsJson = False) -> None:
    """Import a 10 MB CSV while the worker is killed three times, and account for every row.

    Exit codes: 0 nothing was lost, 1 something is unaccounted for.
    """
    try:
        story = importlib.import_module("twolane.cli.demo")
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"the demo needs {error.name}, which is not installed: pip install 'twolane[demo]'"
        ) from None
    raise typer.Exit(story.run(csv=csv, seed=seed, as_json=as_json))
