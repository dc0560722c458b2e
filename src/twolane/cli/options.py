"""Options that several commands share, and how a command tells of itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

APP_HELP = (
    "Where the tasks are, as uvicorn takes it; else TWOLANE_APP, else app below \\[tool.twolane] in the "
    "nearest pyproject.toml."
)
EXIT_CODES = (
    "Exit codes: 0 done; 1 no such message, or nothing to do; 2 wrong usage or setting; 3 the queue is "
    "missing or cannot be used; 4 the app cannot be imported."
)
WHICH_QUEUE = (
    "The queue is TWOLANE_QUEUE, and no code is loaded but of an app that --app names; else the app's."
)

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


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the fields of a dataclass as options: those that several commands share stand once.

    Args:
        command: one of its parameters is of a dataclass, whose fields are annotated as typer wants it. They take
            that parameter's place in the help.
    """
    own = inspect.signature(command, eval_str=True).parameters
    (shared,) = [each for each in own.values() if is_dataclass(each.annotation)]
    hints = get_type_hints(shared.annotation, include_extras=True)
    options = [
        inspect.Parameter(field.name, shared.kind, default=field.default, annotation=hints[field.name])
        for field in fields(shared.annotation)
    ]

    @wraps(command)
    def spread_out(**given: Any) -> None:
        made = shared.annotation(**{each.name: given.pop(each.name) for each in options})
        command(**{shared.name: made}, **given)

    taken = [each for one in own.values() for each in (options if one is shared else [one])]
    made_up: Any = spread_out
    made_up.__signature__ = inspect.Signature(taken)  # what typer reads
    made_up.__annotations__ = {each.name: each.annotation for each in taken}
    return spread_out
