"""Which names a function, a class or a module binds, and to what. Nothing is resolved here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from twolane.check.tree import Module, Tree
from twolane.check.units import LAZY

ScopeNode: TypeAlias = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPED = (*FUNCTIONS, ast.ClassDef)
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@dataclass(frozen=True, slots=True)
class Imported:
    """`import a.b as c`, or `from a import b`: what stands for which name of which module."""

    module: str
    name: str | None
    level: int = 0


@dataclass(frozen=True, slots=True)
class Value:
    """A name bound to the value of an expression, or to a part of it.

    Attributes:
        node: the expression.
        annotation: what the code says its type is.
        part: the value is something out of it: an item of a loop, an element of a tuple.
    """

    node: ast.expr | None
    annotation: ast.expr | None = None
    part: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its annotation and its default are all that is known of it."""

    arg: ast.arg
    default: ast.expr | None
    first: bool = False


Binding: TypeAlias = Imported | Value | Parameter | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(eq=False)
class Scope:
    """A function, a class or a module, with what it binds."""

    module: Module
    node: ScopeNode
    parent: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict[str, list[Binding]])
    stars: list[Imported] = field(default_factory=list[Imported])
    children: dict[int, Scope] = field(default_factory=dict["int", "Scope"])

    @property
    def is_class(self) -> bool:
        """Names of a class are not seen by its methods."""
        return isinstance(self.node, ast.ClassDef)

    @property
    def is_function(self) -> bool:
        """Whether this is a function or a lambda."""
        return isinstance(self.node, FUNCTIONS)

    def functions(self) -> Iterator[Scope]:
        """The functions around this place, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            if scope.is_function:
                yield scope
            scope = scope.parent


def module_scope(tree: Tree, module: Module) -> Scope:
    """The scope of a module, made once."""
    found = module.cache.get("scope")
    if not isinstance(found, Scope):
        found = scope_of(tree.syntax(module), module, None)
        module.cache["scope"] = found
    return found


def child(scope: Scope, node: ScopeNode) -> Scope:
    """The scope of a function or class that is defined in this one."""
    if isinstance(node, LAZY):
        if node.unit.scope is None:
            node.unit.scope = scope_of(node, scope.module, scope)
        return node.unit.scope
    if id(node) not in scope.children:
        scope.children[id(node)] = scope_of(node, scope.module, scope)
    return scope.children[id(node)]


def scope_of(node: ScopeNode, module: Module, parent: Scope | None) -> Scope:
    """What a node binds."""
    scope = Scope(module, node, parent)
    if isinstance(node, FUNCTIONS):
        _parameters(node.args, scope)
    if not isinstance(node, ast.Lambda):
        for statement in statements(node.body):
            _bind(statement, scope)
    return scope


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block and of the blocks in it, but not those of functions and classes in it."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for block in _BLOCKS:
            for each in getattr(statement, block, ()):
                if isinstance(each, ast.stmt):
                    yield from statements([each])
                elif isinstance(each, (ast.ExceptHandler, ast.match_case)):
                    yield from statements(each.body)


def _add(scope: Scope, name: str, binding: Binding) -> None:
    scope.bindings.setdefault(name, []).append(binding)


def _parameters(args: ast.arguments, scope: Scope) -> None:
    positional = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(args.defaults))
    pairs = zip(positional, [*defaults, *args.defaults], strict=True)
    for index, (arg, default) in enumerate(pairs):
        _add(scope, arg.arg, Parameter(arg, default, first=index == 0))
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        _add(scope, arg.arg, Parameter(arg, default))
    for rest in (args.vararg, args.kwarg):
        if rest is not None:
            _add(scope, rest.arg, Value(None, part=True))


def _bind(statement: ast.stmt, scope: Scope) -> None:  # noqa: C901, PLR0912  (one case a kind of node)
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            _add(scope, name, statement)
        case ast.Import(names=names):
            for alias in names:
                bound = alias.asname or alias.name.partition(".")[0]
                _add(scope, bound, Imported(alias.name if alias.asname else bound, None))
        case ast.ImportFrom(module=module, names=names, level=level):
            for alias in names:
                imported = Imported(module or "", alias.name, level)
                if alias.name == "*":
                    scope.stars.append(imported)
                else:
                    _add(scope, alias.asname or alias.name, imported)
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                _target(target, Value(value), scope)
        case ast.AnnAssign(target=target, annotation=annotation, value=value):
            _target(target, Value(value, annotation), scope)
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
            _target(target, Value(value, part=True), scope)
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for item in items:
                if item.optional_vars is not None:
                    _target(item.optional_vars, Value(item.context_expr), scope)
        case _:
            pass
    for walrus in _walruses(statement):
        _target(walrus.target, Value(walrus.value), scope)


def _walruses(statement: ast.stmt) -> Iterator[ast.NamedExpr]:
    test = getattr(statement, "test", None)
    if isinstance(test, ast.AST):
        for each in ast.walk(test):
            if isinstance(each, ast.NamedExpr):
                yield each


def _target(target: ast.expr, value: Value, scope: Scope) -> None:
    match target:
        case ast.Name(id=name):
            _add(scope, name, value)
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            values = value.node.elts if isinstance(value.node, (ast.Tuple, ast.List)) else []
            for index, each in enumerate(targets):
                exact = len(values) == len(targets) and not value.part
                _target(each, Value(values[index]) if exact else Value(value.node, part=True), scope)
        case ast.Starred(value=inner):
            _target(inner, Value(value.node, part=True), scope)
        case _:
            pass
