"""Where names are called, by the text: one pass over all files, so that callers are found without reading any file again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twolane.check.tree import Module

_CALL = re.compile(r"(\w+)\(")
_DEPENDENCY = re.compile(r"\b(?:Depends|Security)\(\s*(?:\w+\.)*(\w+)")

Found = dict["Module", list[int]]
"""By module, in order of the paths: the places in its text."""


class Mentions:
    """An index of the calls of a tree."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._called: dict[str, Found] = {}
        self._depended: dict[str, Found] = {}
        for module in modules:
            for match in _CALL.finditer(module.text):
                self._called.setdefault(match[1], {}).setdefault(module, []).append(match.start(1))
            if "epends(" in module.text or "Security(" in module.text:
                for match in _DEPENDENCY.finditer(module.text):
                    self._depended.setdefault(match[1], {}).setdefault(module, []).append(match.start())

    def called(self, name: str) -> Found:
        """Where `name(` stands, a definition included."""
        return self._called.get(name, {})

    def depended(self, name: str) -> Found:
        """Where `Depends(name` stands."""
        return self._depended.get(name, {})
