"""What the methods of a class assign to self."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeAlias, cast

from twolane.check.refs import Cls
from twolane.check.scopes import Scope, child, statements

Assigned: TypeAlias = dict[str, list[tuple[ast.expr | None, ast.expr | None, Scope]]]
"""By attribute: the value, the annotation, the scope of the method."""


def assigned(cls: Cls) -> Assigned:
    """What the methods of a class assign to self, by attribute: value, annotation, scope; found once."""
    key = f"assigned:{cls.node.lineno}:{cls.node.col_offset}"
    known = cls.module.cache.get(key)
    if isinstance(known, dict):
        return cast("Assigned", known)
    found: Assigned = {}
    class_scope = child(cls.scope, cls.node)
    for method in cls.node.body:
        if not isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for statement in statements(method.body):
            for target, value, annotation in _targets(statement):
                if isinstance(target, ast.Attribute) and _is_self(target.value):
                    found.setdefault(target.attr, []).append((value, annotation, child(class_scope, method)))
    cls.module.cache[key] = found
    return found


def _targets(statement: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr | None, ast.expr | None]]:
    match statement:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield target, value, None
        case ast.AnnAssign(target=target, annotation=annotation, value=value):
            yield target, value, annotation
        case _:
            return


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")
