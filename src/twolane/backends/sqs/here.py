# ruff: noqa: D102 - the contract carries the docstrings
"""A state store in this process's memory: for the alerts of a queue without a state store, and gone with the process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from twolane.contracts.state import Change, Conflict, Item, Shelved


class StateHere:
    """Items (contracts.state) in a dictionary under one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[str, Item] = {}
        self._counters: dict[str, Counter[str]] = {}

    def read(self, keys: Sequence[str]) -> dict[str, Item]:
        with self._lock:
            return {key: self._items[key] for key in keys if key in self._items}

    def write(self, groups: Sequence[Sequence[Change]]) -> list[Conflict | Exception | None]:
        with self._lock:
            return [self._write(group) for group in groups]

    def _write(self, group: Sequence[Change]) -> Conflict | None:
        if any(not self._holds(change) for change in group):
            return Conflict({change.key: self._items.get(change.key) for change in group})
        for change in group:
            if change.after is None:
                self._items.pop(change.key, None)
                self._counters.pop(change.key, None)
            else:
                self._items[change.key] = change.after
        return None

    def _holds(self, change: Change) -> bool:
        if change.before is None and change.after is None:
            return True
        return self._items.get(change.key) == change.before

    def shelf(
        self,
        name: str,
        *,
        since: float | None = None,
        until: float | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Shelved]:
        with self._lock:
            found = [item for item in self._items.values() if item.shelf == name]
        found = [item for item in found if since is None or item.place >= since]
        found = [item for item in found if until is None or item.place <= until]
        found.sort(key=lambda item: item.place, reverse=newest_first)
        return [Shelved(item.key, item.place, item.head) for item in found[:limit]]

    def add(self, key: str, amounts: Mapping[str, int], *, expires_at: float | None = None) -> None:
        del expires_at
        with self._lock:
            self._counters.setdefault(key, Counter()).update(amounts)

    def counters(self, keys: Sequence[str]) -> dict[str, dict[str, int]]:
        with self._lock:
            return {key: dict(self._counters[key]) for key in keys if key in self._counters}

    def scan(self, prefix: str) -> list[Item]:
        with self._lock:
            return [item for key, item in self._items.items() if key.startswith(prefix)]

    def close(self) -> None:
        """It is gone with the process."""
