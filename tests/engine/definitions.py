# Without postponed annotations: what a definition sees then are types, not their names.
from typing import Any


def work(a: int) -> int:
    return a + 1


def untyped(a): ...


def any_(a: Any) -> None: ...


def object_(a: object) -> None: ...


def in_quotes(a: "Any") -> None: ...


SWALLOWING = (untyped, any_, object_, in_quotes)
