"""Edit a dead letter's arguments in an editor, until they fit its task or the person gives up."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from twolane.values.errors import ArgumentsRefused, UsageError

A = TypeVar("A")

_HEAD = """\
# The arguments of {what}, by name, as JSON.
# Save and leave: they are checked by the task, and the message goes back to its queue with them.
# Leave without a change, or with nothing left, and nothing happens. Lines like these are ignored.
"""


def edited(what: str, values: dict[str, Any], check: Callable[[dict[str, Any]], A]) -> A | None:
    """What `check` makes of the arguments once they fit; None: the person gave up.

    Args:
        what: whose arguments they are, for the person.
        values: the arguments by name.
        check: raises ArgumentsRefused where they do not fit; the editor is opened again with its sentence on top.

    Raises:
        UsageError: there is no editor, or it failed.
    """
    original = body = json.dumps(values, indent=2, ensure_ascii=False)
    head = _HEAD.format(what=what)
    while True:
        saved = _without_comments(_in_editor(head + body + "\n"))
        if saved.strip() in ("", original.strip()) or (saved.strip() == body.strip() and body != original):
            return None
        body = saved.strip()
        try:
            return check(parsed(saved, "this"))
        except ArgumentsRefused as error:
            reason = "\n".join(f"# {line}" for line in str(error).splitlines())
            head = f"# NOT ACCEPTED, and nothing was changed yet:\n{reason}\n#\n" + _HEAD.format(what=what)


def parsed(text: str, name: str) -> dict[str, Any]:
    """Arguments from JSON.

    Raises:
        ArgumentsRefused: it is no JSON, or no object.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArgumentsRefused(f"{name} is no JSON: {error}; nothing was changed") from None
    if not isinstance(values, dict):
        raise ArgumentsRefused(f"{name} is an object with the arguments by name; nothing was changed")
    return cast("dict[str, Any]", values)


def _in_editor(text: str) -> str:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    descriptor, name = tempfile.mkstemp(
        prefix="twolane-", suffix=".json"
    )  # mode 0600: arguments may be private
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            done = subprocess.run([*shlex.split(command), name], check=False)  # noqa: S603  (the person's own editor)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"the editor {command!r} cannot be started ({error}): set EDITOR; nothing was changed"
            ) from None
        if done.returncode:
            raise UsageError(f"the editor {command!r} ended with code {done.returncode}; nothing was changed")
        return Path(name).read_text("utf-8", errors="replace")
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
