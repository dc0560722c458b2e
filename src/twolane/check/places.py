"""Every call of a function or of a module's own level with the scope it stands in, and every node's parent."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from twolane.check.scopes import SCOPED, Scope, child, module_scope
from twolane.check.tree import Module, Tree
from twolane.check.units import LAZY, Lazy, Unit, below


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A call, the scope around it, and what one walk found with it."""

    call: ast.Call
    scope: Scope
    found: Places

    @property
    def module(self) -> Module:
        """The file it stands in."""
        return self.scope.module


@dataclass(eq=False)
class Places:
    """What one walk finds: over a function of a module, or over what is not in one.

    Attributes:
        module: the module.
        calls: its calls, in order of their lines.
        parents: every node's parent, by the node's id.
    """

    module: Module
    calls: list[Place] = field(default_factory=list[Place])
    parents: dict[int, ast.AST] = field(default_factory=dict[int, ast.AST])

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, innermost first."""
        at = self.parents.get(id(node))
        while at is not None:
            yield at
            at = self.parents.get(id(at))

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The statement a node is part of."""
        if isinstance(node, ast.stmt):
            return node
        return next((each for each in self.above(node) if isinstance(each, ast.stmt)), None)


def outside(tree: Tree, module: Module) -> Places:
    """The places of a module that are in none of its functions, decorators included; found once."""
    found = module.cache.get("places")
    if not isinstance(found, Places):
        found = Places(module)
        _walk(tree.syntax(module), module_scope(tree, module), found)
        module.cache["places"] = found
    return found


def inside(tree: Tree, unit: Unit) -> Places:
    """The places in a function, found once for each time it is parsed."""
    if not isinstance(unit.places, Places):
        found = Places(unit.module)
        scope = unit_scope(tree, unit)
        _walk(unit.node, scope, found)
        unit.places = found
        return found
    return unit.places


def having(tree: Tree, module: Module, texts: Iterable[str]) -> Iterator[Places]:
    """The places of a module in order: outside of functions, and in those that have one of some texts."""
    yield outside(tree, module)
    there = [each for each in texts if each in module.text]
    for unit in tree.units(module):
        first, last = module.offset(unit.start), module.offset(unit.end + 1)
        if any(module.text.find(each, first, last) >= 0 for each in there):
            yield inside(tree, unit)


def around(tree: Tree, module: Module, offsets: Iterable[int]) -> Iterator[Places]:
    """The places of a module in order: outside of functions, and in those that some places of its text are in."""
    yield outside(tree, module)
    seen: set[int] = set()
    for offset in offsets:
        unit = tree.unit_at(module, module.line_at(offset))
        if unit is not None and unit.start not in seen:
            seen.add(unit.start)
            yield inside(tree, unit)


def unit_scope(tree: Tree, unit: Unit) -> Scope:
    """The scope that a function of a module or of a class is defined in."""
    scope = module_scope(tree, unit.module)
    for cls in unit.classes:
        scope = child(scope, cls)
    return scope


def _walk(root: ast.Module | Lazy, scope: Scope, found: Places) -> None:
    stack: list[tuple[ast.AST, Scope]] = [(root, scope)]
    while stack:
        at, around_it = stack.pop()
        if isinstance(at, LAZY) and at is not root:  # a room of its own; its decorators are outside of it
            for decorator in at.decorator_list:
                found.parents[id(decorator)] = at
                stack.append((decorator, around_it))
            continue
        inner = around_it
        outside_it = _NONE
        if isinstance(at, SCOPED):
            inner = child(around_it, at)
            outside_it = _decorators(at)
        elif isinstance(at, ast.Call):
            found.calls.append(Place(at, around_it, found))
        for each in below(at):
            if at is root and id(each) in outside_it:
                continue
            found.parents[id(each)] = at
            stack.append((each, around_it if id(each) in outside_it else inner))
    found.calls.sort(key=lambda place: (place.call.lineno, place.call.col_offset))


_NONE = frozenset[int]()


def _decorators(node: ast.AST) -> frozenset[int]:
    """The parts of a definition that are evaluated outside of it."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return frozenset(id(each) for each in node.decorator_list)
    return frozenset()
