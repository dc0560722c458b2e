"""Who calls a function, and whether a request gets to it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.files import is_test
from twolane.check.names import Names
from twolane.check.places import Place, places
from twolane.check.refs import Cls, Func, Ref
from twolane.check.routes import Role, func_of, role_of

MOST = 25
"""Callers of one name that are looked at: more than that, and the name says nothing."""
DEEPEST = 3
_ORDER: tuple[Role, ...] = ("request", "websocket", "around")


class Callers:
    """Finds callers by their text first, and resolves only those."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._called: dict[tuple[str, int, int], list[Place]] = {}
        self._roles: dict[tuple[str, int, int], Role] = {}

    def forget(self) -> None:
        """Let go of the places that are remembered: each holds the syntax tree of its module."""
        self._called.clear()

    def of(self, func: Func) -> list[Place]:
        """The calls of a function in the tree, those of tests left out, at most MOST."""
        if func.key not in self._called:
            self._called[func.key] = list(self._find(func))
        return self._called[func.key]

    def role(self, func: Func, depth: int = 0) -> Role:
        """What a function is to a request, by the functions around it and those that call it."""
        if depth == 0 and func.key in self._roles:
            return self._roles[func.key]
        found = self._role(func, depth)
        if depth == 0:
            self._roles[func.key] = found
        return found

    def around(self, func: Func) -> list[Func]:
        """The function itself and those it is defined in, innermost first."""
        inner = [func]
        for scope in func.scope.functions():
            outer = func_of(scope)
            if outer is not None:
                inner.append(outer)
        return inner

    def _role(self, func: Func, depth: int) -> Role:
        for each in self.around(func):
            role = role_of(each, places(self.names.tree, each.module))
            if role != "none":
                return role
        if depth >= DEEPEST or func.name == "lambda":
            return "none"
        if self._is_dependency(func):
            return "request"
        roles = {
            self.role(caller, depth + 1)
            for outer in self.around(func)[-1:]
            for place in self.of(outer)
            if (caller := func_of(next(place.scope.functions(), place.scope))) is not None
            and caller.key != func.key
        }
        for role in _ORDER:
            if role in roles:
                return role
        return "none"

    def _is_dependency(self, func: Func) -> bool:
        for module in self.names.tree.containing(f"Depends({func.name})"):
            for place in places(self.names.tree, module).calls:
                match place.call:
                    case ast.Call(func=ast.Name(id="Depends"), args=[ast.Name(id=name)]) if name == func.name:
                        found = self.names.ref(place.call.args[0], place.scope)
                        if isinstance(found, Func) and found.key == func.key:
                            return True
                    case _:
                        continue
        return False

    def _find(self, func: Func) -> Iterator[Place]:
        name = func.owner.node.name if func.name == "__init__" and func.owner is not None else func.name
        sole = len(self.names.tree.defining(func.name)) == 1
        count = 0
        for module in self.names.tree.containing(f"{name}("):
            if is_test(module.rel):
                continue
            for place in places(self.names.tree, module).calls:
                if not _is_named(place.call, name):
                    continue
                found = self.names.ref(place.call.func, place.scope)
                if _is_it(found, func) or (found is None and sole):
                    yield place
                    count += 1
                    if count >= MOST:
                        return


def _is_it(found: Ref | None, func: Func) -> bool:
    """Whether a callee is this function, or the class it is the constructor of."""
    if isinstance(found, Cls):
        return func.name == "__init__" and func.owner is not None and func.owner.key == found.key
    return isinstance(found, Func) and found.key == func.key


def _is_named(call: ast.Call, name: str) -> bool:
    match call.func:
        case ast.Name(id=found) | ast.Attribute(attr=found):
            return found == name
        case _:
            return False
