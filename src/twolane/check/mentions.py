"""Where names are called, by the text: one pass over all files, so that callers are found without reading any file again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twolane.check.tree import Module

_CALL = re.compile(r"\b(\w+)\(")
_DEPENDENCY = re.compile(r"\b(?:Depends|Security)\(\s*(?:\w+\.)*(\w+)")

Found = dict["Module", list[int]]
"""By module, in order of the paths: the places in its text."""


class Mentions:
    """An index of the calls of a tree: which files have a name, and once a file is asked for, where it has which."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._having: dict[str, list[Module]] = {}
        self._places: dict[Module, dict[str, list[int]]] = {}
        self._depended: dict[str, Found] = {}
        for module in modules:
            for name in set(_CALL.findall(module.text)):
                self._having.setdefault(name, []).append(module)
            if "epends(" in module.text or "Security(" in module.text:
                for match in _DEPENDENCY.finditer(module.text):
                    self._depended.setdefault(match[1], {}).setdefault(module, []).append(match.start())

    def having(self, name: str) -> list[Module]:
        """The files in which `name(` stands, a definition included."""
        return self._having.get(name, [])

    def called(self, name: str, module: Module) -> list[int]:
        """Where in a file `name(` stands."""
        if module not in self._places:
            there = self._places[module] = {}
            for match in _CALL.finditer(module.text):
                there.setdefault(match[1], []).append(match.start())
        return self._places[module].get(name, [])

    def depended(self, name: str) -> Found:
        """Where `Depends(name` stands."""
        return self._depended.get(name, {})
