"""Find the tasks that a module defines with twolane's own API."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from twolane.check.names import Names
from twolane.check.places import having
from twolane.check.scopes import FUNCTIONS
from twolane.check.sites import Site
from twolane.check.tree import Module

_TASKS = frozenset(["twolane.Tasks", "twolane.face.Tasks"])


@dataclass(frozen=True, slots=True)
class OwnTask:
    """A task of twolane's: where it answers the question, how, and its function as a site."""

    name: str
    line: int
    answer: str
    site: Site


def own_tasks(names: Names, module: Module) -> Iterator[OwnTask]:
    """The tasks that are defined in a module, as a decorator or as a call on a function."""
    for place in (place for found in having(names.tree, module, ["if_lost"]) for place in found.calls):
        answer = _answer(place.call)
        if answer is None or not isinstance(place.call.func, ast.Attribute):
            continue
        if not names.is_a(names.ref(place.call.func.value, place.scope), _TASKS):
            continue
        parent = place.found.parents.get(id(place.call))
        if isinstance(parent, FUNCTIONS) and not isinstance(parent, ast.Lambda):
            callee: ast.expr = ast.copy_location(ast.Name(id=parent.name, ctx=ast.Load()), place.call)
        elif isinstance(parent, ast.Call) and parent.func is place.call and parent.args:
            callee = parent.args[0]
        else:
            continue
        told = tuple(k for k in place.call.keywords if k.arg in ("name", "because"))
        site = Site(place, "task", callee, keywords=told)
        yield OwnTask(_name(place.call) or ast.unparse(callee), place.call.lineno, answer, site)


def _answer(call: ast.Call) -> str | None:
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "task":
        return None
    for keyword in call.keywords:
        if keyword.arg == "if_lost" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return None


def _name(call: ast.Call) -> str | None:
    for keyword in call.keywords:
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return None
