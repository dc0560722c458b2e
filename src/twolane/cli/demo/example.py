"""Where the example app lies: in the wheel, or in a checkout."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import twolane
from twolane.values.errors import SettingsError

TARGET = "app.main:app"
_NEEDED = {"jinja2": "jinja2", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}


def example_folder() -> Path:
    """The folder of the example's project.

    Raises:
        SettingsError: it is in neither place.
    """
    package = Path(twolane.__file__).resolve().parent
    for folder in (package / "_examples" / "flights", package.parents[1] / "examples" / "flights"):
        if (folder / "app" / "main.py").is_file():
            return folder
    raise SettingsError(
        f"the example app is neither in {package} nor in a checkout round it: install twolane anew"
    )


def check_needed() -> None:
    """Refuse to begin without what the example app needs.

    Raises:
        SettingsError: names it.
    """
    missing = [name for module, name in _NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise SettingsError(f"the demo needs {' and '.join(missing)}: pip install 'twolane[demo]'")
