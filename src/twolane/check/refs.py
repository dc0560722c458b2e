"""What an expression stands for: a function, a class, a module, an instance, or something outside of the tree."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TypeAlias

from twolane.check.scopes import Scope
from twolane.check.tree import Module

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True, eq=False)
class Func:
    """A function whose code is in the tree.

    Attributes:
        module: where it stands.
        node: its definition.
        scope: what it is defined in.
        owner: the class it is a method of.
    """

    module: Module
    node: Function
    scope: Scope
    owner: Cls | None = None

    @property
    def name(self) -> str:
        """Its name, or `lambda`."""
        return "lambda" if isinstance(self.node, ast.Lambda) else self.node.name

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells it from every other function, over a second parse too."""
        return self.module.rel, self.node.lineno, self.node.col_offset

    @property
    def is_async(self) -> bool:
        """Whether calling it makes a coroutine."""
        return isinstance(self.node, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, eq=False)
class Cls:
    """A class whose code is in the tree."""

    module: Module
    node: ast.ClassDef
    scope: Scope

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells it from every other class."""
        return self.module.rel, self.node.lineno, self.node.col_offset


@dataclass(frozen=True, slots=True, eq=False)
class Mod:
    """A module of the tree."""

    module: Module


@dataclass(frozen=True, slots=True)
class Ext:
    """Something outside of the tree, by its dotted name."""

    dotted: str


@dataclass(frozen=True, slots=True)
class Inst:
    """An instance of a class."""

    of: Cls | Ext


Ref: TypeAlias = Func | Cls | Mod | Ext | Inst
