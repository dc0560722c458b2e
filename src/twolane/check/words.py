"""Identifiers and sentences as lower-case words. The names people give are evidence, weaker than what code does."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

_ENDINGS = ("s", "es", "d", "ed", "ing", "er")
_STEM = 3
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


@lru_cache(maxsize=50_000)
def words(text: str) -> tuple[str, ...]:
    """`sendResetEmail`, `send_reset_email` and "Send reset email" are the same three words."""
    return tuple(word.lower() for word in _WORD.findall(text))


def has_word(text: str, lexicon: frozenset[str]) -> str | None:
    """The first word of a text that a lexicon has, a plural or a past form counting as its stem."""
    for word in words(text):
        for form in _forms(word):
            if form in lexicon:
                return word
    return None


@lru_cache(maxsize=50_000)
def _forms(word: str) -> tuple[str, ...]:
    endings = [e for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= _STEM]
    found = [word, *(word[: -len(each)] for each in endings)]
    if "ing" in endings:
        found.append(word[:-3] + "e")
    if word.endswith("ies"):
        found.append(word[:-3] + "y")
    return tuple(found)


def dotted(node: ast.AST) -> str:
    """An expression as a dotted path, calls as `()`; what has no name is `?`."""
    parts: list[str] = []
    while True:
        match node:
            case ast.Attribute(value=value, attr=attr):
                parts.append(attr)
                node = value
            case ast.Call(func=func):
                parts.append("()")
                node = func
            case ast.Subscript(value=value):
                parts.append("[]")
                node = value
            case ast.Await(value=value):
                node = value
            case ast.Name(id=name):
                parts.append(name)
                break
            case _:
                parts.append("?")
                break
    return ".".join(reversed(parts)).replace(".()", "()").replace(".[]", "[]")


def constants(node: ast.AST) -> list[str]:
    """The strings written out below a node, those inside f-strings too."""
    return [
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
