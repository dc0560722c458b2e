"""Parts of a message on the screen, secrets masked: its arguments, its attempts."""

from __future__ import annotations

import json

from twolane.cli import forms
from twolane.cli.screen import block, line, when
from twolane.engine.masking import Masker
from twolane.values.lengths import length
from twolane.values.record import Attempt

MAX_NAME_CHARS = 80
MAX_VALUE_CHARS = 400


def clipped(text: str, most: int = MAX_VALUE_CHARS) -> str:
    """A text, or its beginning and how long it is."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def show_arguments(body: str | None) -> None:
    """Print the arguments by name, or where they lie."""
    line("arguments", "bold")
    found = forms.arguments(body)
    if found["args_blob"] is not None:
        block(f"{found['args_blob']['size_bytes']} bytes in blob {json.dumps(found['args_blob'])}")
    elif found["args"] is None:
        block("unreadable; see the body" if body else "gone with the message")
    else:
        for name, value in found["args"].items():
            block(f"{clipped(name, MAX_NAME_CHARS)} = {clipped(json.dumps(value))}")


def show_attempt(attempt: Attempt, masker: Masker) -> None:
    """Print an attempt that did not succeed."""
    failure = attempt.failure
    took = length(max(0.0, failure.ended_at - failure.started_at))
    line(
        f"attempt {attempt.number}: {attempt.outcome} after {took}, {when(failure.ended_at)}: {failure.error_type}",
        "bold",
    )
    block(masker.text(failure.traceback or failure.message))
