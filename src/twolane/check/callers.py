"""Who calls a function, and whether a request gets to it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.files import is_test
from twolane.check.names import Names
from twolane.check.places import Place, around
from twolane.check.refs import Cls, Func, Ref
from twolane.check.routes import Role, func_of, role_of
from twolane.check.tree import Module

MOST = 25
"""Callers of one name that are looked at: more than that, and the name says nothing."""
MOST_LOOKED = 400
"""Calls of one name that are looked at, whoever they call."""
MOST_MODULES = 40
"""Files that are read for the callers of one function."""
DEEPEST = 3
_ORDER: tuple[Role, ...] = ("request", "websocket", "around")


class Callers:
    """Finds callers by their text first, and resolves only those."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._called: dict[tuple[str, int, int], list[Place]] = {}
        self._roles: dict[tuple[str, int, int], tuple[Role, int]] = {}

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
        known = self._roles.get(func.key)
        if known is not None and (known[0] != "none" or known[1] <= depth):
            return known[0]
        self._roles[func.key] = ("none", depth)  # a circle ends here
        found = self._role(func, depth)
        self._roles[func.key] = (found, depth)
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
            role = role_of(each, self.names.tree)
            if role != "none":
                return role
        if depth >= DEEPEST or func.name == "lambda":
            return "none"
        if self._is_dependency(func):
            return "request"
        roles: set[Role] = set()
        for place in self.of(self.around(func)[-1]):
            caller = func_of(next(place.scope.functions(), place.scope))
            if caller is not None and caller.key != func.key:
                roles.add(self.role(caller, depth + 1))
            if "request" in roles:
                break
        for role in _ORDER:
            if role in roles:
                return role
        return "none"

    def _is_dependency(self, func: Func) -> bool:
        for module, offsets in self.names.tree.mentions.depended(func.name).items():
            for place in (p for found in around(self.names.tree, module, offsets) for p in found.calls):
                match place.call:
                    case ast.Call(func=ast.Name(id="Depends"), args=[ast.Name(id=name)]) if name == func.name:
                        found = self.names.ref(place.call.args[0], place.scope)
                        if isinstance(found, Func) and found.key == func.key:
                            return True
                    case _:
                        continue
        return False

    def _modules(self, name: str, func: Func) -> list[Module]:
        """The modules that may call a function; of a name that many have, those that name its module or class."""
        found = [each for each in self.names.tree.mentions.having(name) if not is_test(each.rel)]
        if len(found) > MOST_MODULES:
            stem = func.module.rel.removesuffix("/__init__.py").removesuffix(".py").rpartition("/")[2]
            owner = func.owner.node.name if func.owner is not None else stem
            found = [each for each in found if stem in each.text or owner in each.text]
        return found[:MOST_MODULES]

    def _find(self, func: Func) -> Iterator[Place]:
        name = func.owner.node.name if func.name == "__init__" and func.owner is not None else func.name
        sole = len(self.names.tree.defining(func.name)) == 1
        count = looked = 0
        for module in self._modules(name, func):
            offsets = self.names.tree.mentions.called(name, module)
            for place in (p for found in around(self.names.tree, module, offsets) for p in found.calls):
                if not _is_named(place.call, name):
                    continue
                looked += 1
                if looked > MOST_LOOKED:
                    return
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
