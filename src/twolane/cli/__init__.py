"""The `twolane` command. Nothing is loaded until it runs: a worker's parent is a module of this package."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; a failure of twolane's is one sentence on standard error and an exit code."""
    from twolane.cli import exits
    from twolane.cli.commands import app
    from twolane.values.errors import TwolaneError

    try:
        app(prog_name="twolane")
    except TwolaneError as error:
        print(f"twolane: {error}", file=sys.stderr)
        sys.exit(exits.of(error))
