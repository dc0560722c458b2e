"""Functions whose insides are parsed when somebody looks at them, and are let go of again.

A syntax tree takes some fifty times the bytes of its text, and most of a code base is never asked for. So what stays of a
module is its skeleton: its imports, classes, assignments, and the first lines of its functions. The inside of a function of a
module or of a class in it is a *unit*: parsed by itself, from its own lines, as often as it is needed.
"""

from __future__ import annotations

import ast
import symtable
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from twolane.check.scopes import Scope
    from twolane.check.tree import Module


class Unit:
    """The inside of one function.

    Attributes:
        module: where it stands.
        classes: the classes around it, outermost first.
        node: its definition, of which only `body` comes and goes.
        start: the line its first decorator, or itself, begins at, from 1.
        end: its last line.
        scope: what it binds, as long as it is there.
        places: its calls, as long as it is there.
    """

    __slots__ = ("_load", "classes", "end", "module", "node", "places", "scope", "start")

    def __init__(
        self, module: Module, classes: tuple[ast.ClassDef, ...], node: Lazy, load: Callable[[Unit], None]
    ) -> None:
        self.module = module
        self.classes = classes
        self.node = node
        self.start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        self.end = node.end_lineno or node.lineno
        self.scope: Scope | None = None
        self.places: object = None
        self._load = load

    @property
    def line_count(self) -> int:
        """How many lines it has."""
        return self.end - self.node.lineno + 1

    def load(self) -> None:
        """Parse it."""
        self._load(self)

    def parse(self) -> None:
        """Give its definition its body, from its own lines."""
        text = self.module.between(self.node.lineno, self.end)
        indented = self.node.col_offset > 0
        parsed = parse(f"if 1:\n{text}" if indented else text, self.module.rel).body[0]
        if isinstance(parsed, ast.If):
            parsed = parsed.body[0]
        assert isinstance(parsed, (ast.FunctionDef, ast.AsyncFunctionDef))  # noqa: S101
        _shift(parsed.body, self.node.lineno - parsed.lineno)
        self.node.body = parsed.body

    def drop(self) -> None:
        """Let go of its body, and of all that was made from it."""
        self.node.__dict__.pop("body", None)
        if self.scope is not None:
            _untie(self.scope)
        self.scope = None
        self.places = None


class LazyFunction(ast.FunctionDef):
    """A function that parses its body when it is asked for it."""

    unit: Unit

    def __getattr__(self, name: str) -> object:
        return _missing(self, name)


class LazyAsyncFunction(ast.AsyncFunctionDef):
    """An async function that parses its body when it is asked for it."""

    unit: Unit

    def __getattr__(self, name: str) -> object:
        return _missing(self, name)


Lazy: TypeAlias = LazyFunction | LazyAsyncFunction
LAZY = (LazyFunction, LazyAsyncFunction)


def parse(text: str, name: str) -> ast.Module:
    """Parse without a word about the code's own oddities, such as an invalid escape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, name)


def is_syntax(text: str, name: str) -> bool:
    """Raise what `parse` would; else True. Nothing is made of the syntax, which takes a third less than its tree."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            symtable.symtable(text, name, "exec")
        except (SyntaxError, RecursionError):  # of more than the syntax: `global` behind a use, nesting
            ast.parse(text, name)
    return True


def units_of(syntax: ast.Module, module: Module, load: Callable[[Unit], None]) -> Iterator[Unit]:
    """Put a lazy function in the place of each function of a module and of its classes; their units, in order."""
    yield from _in_block(syntax, (), module, load)


def _in_block(
    node: ast.AST, classes: tuple[ast.ClassDef, ...], module: Module, load: Callable[[Unit], None]
) -> Iterator[Unit]:
    for block in ("body", "handlers", "orelse", "finalbody"):
        statements: list[ast.AST] = getattr(node, block, [])
        for index, each in enumerate(statements):
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
                made = _lazy(each)
                made.unit = Unit(module, classes, made, load)
                statements[index] = made
                yield made.unit
            elif isinstance(each, (ast.ClassDef, ast.If, ast.Try, ast.With, ast.ExceptHandler)):
                inner = (*classes, each) if isinstance(each, ast.ClassDef) else classes
                yield from _in_block(each, inner, module, load)


def _lazy(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Lazy:
    made: Lazy
    if isinstance(node, ast.FunctionDef):
        made = LazyFunction.__new__(LazyFunction)
    else:
        made = LazyAsyncFunction.__new__(LazyAsyncFunction)
    made.__dict__.update(node.__dict__)
    return made


def _missing(node: Lazy, name: str) -> object:
    if name != "body" or "unit" not in node.__dict__:
        raise AttributeError(name)
    node.unit.load()
    return node.__dict__["body"]


def below(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one, in order. `ast.iter_child_nodes` also names `Load` and its like, and takes three times as long."""
    found: list[ast.AST] = []
    for value in node.__dict__.values():
        if isinstance(value, ast.AST):
            if not isinstance(value, ast.expr_context):
                found.append(value)
        elif isinstance(value, list):
            found += [each for each in value if isinstance(each, ast.AST)]  # pyright: ignore[reportUnknownVariableType]
    return found


def _shift(nodes: list[ast.stmt], by: int) -> None:
    """Move nodes down by some lines."""
    stack: list[ast.AST] = list(nodes)
    while stack:
        held = stack.pop().__dict__
        if "lineno" in held:
            held["lineno"] += by
            held["end_lineno"] += by
        for value in held.values():
            if isinstance(value, ast.AST):
                stack.append(value)
            elif isinstance(value, list):
                stack += [each for each in value if isinstance(each, ast.AST)]  # pyright: ignore[reportUnknownVariableType]


def _untie(scope: Scope) -> None:
    """Scopes know their parents and their children: without that circle they go when nobody holds them."""
    for each in scope.children.values():
        _untie(each)
    scope.children.clear()
