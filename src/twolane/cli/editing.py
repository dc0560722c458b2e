"""Edit a dead letter's arguments in an editor, until they fit its task or the person gives up."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from twolane.engine.masking import MASK, holds_mask
from twolane.values.errors import ArgumentsRefused, UsageError

A = TypeVar("A")

_HEAD = """\
# The arguments of {what}, by name, as JSON.
# Save and leave: they are checked by the task, and the message goes back to its queue with them.
# Leave without a change, or with nothing left, and nothing happens. Lines like these are ignored.
"""


def edited(
    what: str, values: dict[str, Any], shown: dict[str, Any], check: Callable[[dict[str, Any]], A]
) -> A | None:
    """What `check` makes of the arguments once they fit; None: the person gave up.

    Args:
        what: whose arguments they are, for the person.
        values: the arguments by name.
        shown: the same with secrets masked: what the person sees. What stays masked stays as it was.
        check: raises ArgumentsRefused where they do not fit; the editor is opened again with its sentence on top.

    Raises:
        UsageError: there is no editor, or it failed.
    """
    original = body = json.dumps(shown, indent=2, ensure_ascii=False)
    head = _HEAD.format(what=what)
    while True:
        saved = _without_comments(_in_editor(head + body + "\n"))
        if saved.strip() in ("", original.strip()) or (saved.strip() == body.strip() and body != original):
            return None
        body = saved.strip()
        try:
            return check(parsed(saved, "this", values, shown))
        except ArgumentsRefused as error:
            reason = "\n".join(f"# {line}" for line in str(error).splitlines())
            head = f"# NOT ACCEPTED, and nothing was changed yet:\n{reason}\n#\n" + _HEAD.format(what=what)


def parsed(
    text: str, name: str, values: Mapping[str, Any] | None = None, shown: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Arguments from JSON; one that is still as it was shown is still what it was.

    Raises:
        ArgumentsRefused: it is no JSON, or no object, or holds a mask instead of a secret.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArgumentsRefused(f"{name} is no JSON: {error}; nothing was changed") from None
    if not isinstance(found, dict):
        raise ArgumentsRefused(f"{name} is an object with the arguments by name; nothing was changed")
    given = cast("dict[str, Any]", found)
    for each in given.keys() & (values or {}).keys() & (shown or {}).keys():
        if values and shown and given[each] == shown[each]:
            given[each] = values[each]
    if holds_mask({each: value for each, value in given.items() if not values or value != values.get(each)}):
        raise ArgumentsRefused(
            f"{name} holds {MASK}, which stands for a secret that is not shown: write the secret itself; nothing "
            f"was changed"
        )
    return given


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
