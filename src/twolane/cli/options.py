"""Options that several commands share, and how a command tells of itself."""

from __future__ import annotations

from typing import Annotated

import typer

APP_HELP = (
    "Where the tasks are, as uvicorn takes it; else TWOLANE_APP, else app below \\[tool.twolane] in the "
    "nearest pyproject.toml."
)
EXIT_CODES = (
    "Exit codes: 0 done; 1 no such message, or nothing to do; 2 wrong usage or setting; 3 the queue is "
    "missing or cannot be used; 4 the app cannot be imported."
)
WHICH_QUEUE = "The queue is TWOLANE_QUEUE, and no code of the app is loaded; else the app's."

Id = Annotated[str, typer.Argument(metavar="ID", help="The message's id, as in its ticket.")]
App = Annotated[str | None, typer.Option("--app", metavar="MODULE:APP", help=APP_HELP, show_default=False)]
AppDir = Annotated[
    str | None,
    typer.Option(
        "--app-dir",
        metavar="DIR",
        help="The folder the app is imported from; else that of the pyproject.toml, or the working directory.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON: times in ISO 8601, UTC. Errors go to standard error.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def told(*examples: str, exit_codes: str = EXIT_CODES) -> str:
    """The end of a command's help: examples, then exit codes."""
    lines = ["Examples:", *(f"  $ {example}" for example in examples), exit_codes]
    return "\n\n".join(lines)
