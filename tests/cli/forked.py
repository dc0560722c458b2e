"""The `twolane` command in a process that is forked from one that has imported it: tests/kill/forks.py.

A test asks it a dozen things, and most of what a new interpreter does is to import the same again.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from twolane.cli import main as command

for _name in (
    "fastapi",
    "matplotlib.figure",
    "pydantic.type_adapter",
    "rich.console",
    "twolane.backends.sqlite",
    "twolane.check.checking",
    "twolane.cli.bills",
    "twolane.cli.check_text",
    "twolane.cli.commands",
    "twolane.price.report",
    "twolane.wiring.opening",
):
    importlib.import_module(_name)


def main(words: Sequence[str]) -> None:
    """Be `twolane` with these arguments, environment, folder and files."""
    order = json.loads(words[0])
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    streams = Path(order["streams"])
    for number, (name, flags) in enumerate((("in", os.O_RDONLY), ("out", os.O_WRONLY), ("err", os.O_WRONLY))):
        os.dup2(os.open(streams / name, flags), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.path[0] = order["folder"]
    sys.argv = ["twolane", *order["arguments"]]
    command()
