"""`twolane demo`: the story runner, which lies in `twolane.cli.demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
Keep = Annotated[bool, typer.Option("--keep", help="Leave the folder with its databases and logs; printed.")]


def demo(csv: Csv = None, seed: Seed = None, as_json: AsJson = False, keep: Keep = False) -> None:
    """Import a 10 MB CSV while the worker is killed three times, and account for every row.

    Exit codes: 0 nothing was lost, 1 something is unaccounted for.
    """
    from twolane.cli.demo import run

    raise typer.Exit(run(csv=csv, seed=seed, as_json=as_json, keep=keep))
