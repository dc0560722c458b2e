"""What an editor shows of secrets, and what it takes for them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from twolane.cli.editing import edited, parsed
from twolane.engine.masking import MASK
from twolane.values.errors import ArgumentsRefused

VALUES = {"order": 7, "api_key": "hunter2hunter2"}
SHOWN = {"order": 7, "api_key": MASK}


def test_a_secret_that_stays_masked_stays_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import sys, pathlib\n"
        "file = pathlib.Path(sys.argv[-1]); text = file.read_text()\n"
        "assert 'hunter2' not in text\n"
        "file.write_text(text.replace('7', '8'))\n"
    )
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} {editor}")
    taken: list[dict[str, Any]] = []
    edited("x", VALUES, SHOWN, taken.append)
    assert taken == [{"order": 8, "api_key": "hunter2hunter2"}]


def test_a_mask_anywhere_else_is_refused() -> None:
    with pytest.raises(ArgumentsRefused, match="write the secret itself"):
        parsed(json.dumps({"order": MASK}), "this", VALUES, SHOWN)
    with pytest.raises(ArgumentsRefused, match="write the secret itself"):
        parsed(json.dumps(SHOWN), "--args")
