"""Options that several commands share, and how a command tells about itself."""

from __future__ import annotations

from typing import Annotated

import typer

APP_OPTION = "Where the tasks are, as uvicorn takes it; else TWOLANE_APP, else \\[tool.twolane] app in the nearest pyproject.toml."

App = Annotated[str | None, typer.Option("--app", metavar="MODULE:APP", help=APP_OPTION)]
AppDir = Annotated[
    str | None,
    typer.Option(
        "--app-dir", metavar="DIR", help="The folder the app is imported from; else the working directory."
    ),
]
