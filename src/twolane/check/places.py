"""Every call of a module with the scope it stands in, and every node's parent."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from twolane.check.scopes import FUNCTIONS, Scope, child, module_scope
from twolane.check.tree import Module, Tree


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A call, and the scope around it."""

    call: ast.Call
    scope: Scope

    @property
    def module(self) -> Module:
        """The file it stands in."""
        return self.scope.module


@dataclass(eq=False)
class Places:
    """What one walk over a module finds.

    Attributes:
        module: the module.
        calls: its calls, in order of their lines.
        functions: the insides of its functions.
        parents: every node's parent, by the node's id.
        tables: entries of tables of routes, with the name of the handler; None: not looked for yet.
    """

    module: Module
    calls: list[Place] = field(default_factory=list[Place])
    functions: list[Scope] = field(default_factory=list[Scope])
    parents: dict[int, ast.AST] = field(default_factory=dict[int, ast.AST])
    tables: list[tuple[ast.Call, str]] | None = None

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


def places(tree: Tree, module: Module) -> Places:
    """The places of a module, found once for each of its parses."""
    scope = module_scope(tree, module)
    found = module.cache.get("places")
    if not isinstance(found, Places):
        found = Places(module)
        _walk(tree.syntax(module), scope, found)
        module.cache["places"] = found
    return found


def _walk(node: ast.AST, scope: Scope, found: Places) -> None:
    stack: list[tuple[ast.AST, Scope]] = [(node, scope)]
    while stack:
        at, around = stack.pop()
        inner = around
        if isinstance(at, (*FUNCTIONS, ast.ClassDef)):
            inner = child(around, at)
            if isinstance(at, FUNCTIONS):
                found.functions.append(inner)
        elif isinstance(at, ast.Call):
            found.calls.append(Place(at, around))
        outside = _outside(at)
        for each in ast.iter_child_nodes(at):
            found.parents[id(each)] = at
            stack.append((each, around if id(each) in outside else inner))
    found.calls.sort(key=lambda place: (place.call.lineno, place.call.col_offset))


def _outside(node: ast.AST) -> frozenset[int]:
    """The parts of a definition that are evaluated outside of it."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return frozenset(id(each) for each in node.decorator_list)
    return frozenset()
