"""Where things live: beside this project's pyproject.toml, unless the environment says otherwise."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = Path(os.environ.get("FLIGHTS_DB", PROJECT / "flights.db"))
MAIL = Path(os.environ.get("FLIGHTS_MAIL", PROJECT / "mail"))

MAX_UPLOAD_BYTES = int(os.environ.get("FLIGHTS_MAX_UPLOAD_BYTES", "50_000_000"))
