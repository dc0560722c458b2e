"""What names mean without looking them up: Python's own, and the wrappers and containers that are seen through."""

from __future__ import annotations

import ast
import builtins

from twolane.check.refs import Ext, Inst, Ref

WRAPPERS = frozenset(
    [
        "functools.partial",
        "functools.wraps",
        "copy.copy",
        "copy.deepcopy",
        "typing.cast",
        "contextvars.copy_context.run",
    ]
)
"""Calling one of these gives its first argument, or something that calls it."""
FLUENT = frozenset(
    ["Optional", "Annotated", "Union", "Awaitable", "Coroutine", "ClassVar", "Final", "Required"]
)
"""Types that stand for what is in their brackets."""
YIELDED = frozenset(["Generator", "AsyncGenerator", "Iterator", "AsyncIterator", "Iterable", "AsyncIterable"])
"""Types of which one gets what is in their brackets, one at a time."""


def is_static(node: ast.AST) -> bool:
    """Whether a function is a static method."""
    decorators = getattr(node, "decorator_list", [])
    return any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in decorators)


def given(statement: ast.stmt) -> ast.expr | None:
    """What a statement gives to who called: what it returns or yields."""
    match statement:
        case ast.Return(value=value):
            return value
        case ast.Expr(value=ast.Yield(value=value)):
            return value
        case _:
            return None


def builtin(name: str) -> Ref | None:
    """A name that is Python's own; None: it is not."""
    return Ext(name) if name in _BUILTINS else None


def is_callable(found: Ref) -> bool:
    """Whether an annotation only says that something can be called: what is returned says which."""
    return isinstance(found, Inst) and isinstance(found.of, Ext) and found.of.dotted.endswith(".Callable")


_BUILTINS = frozenset(dir(builtins))
