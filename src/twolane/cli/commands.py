"""The commands, put together."""

from __future__ import annotations

import typer

from twolane.cli.demonstration import demo
from twolane.cli.worker import worker

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they would print the values of variables: secrets among them
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def twolane() -> None:
    """If this task vanishes, does a human need to know? What a person does about the tasks where one does."""


app.command()(worker)
app.command()(demo)
