from __future__ import annotations

from tests.backends.sqlite.conftest import house

__all__ = ["house"]
