"""What the methods of a class assign to self."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import cast

from twolane.check.refs import Cls
from twolane.check.scopes import Scope, child, statements

_ASSIGNED = re.compile(r"\b(?:self|cls)\.(\w+)[ \t]*(?::|=(?!=))")


def assigned(cls: Cls, attr: str) -> Iterator[tuple[ast.expr | None, ast.expr | None, Scope]]:
    """What the methods of a class assign to an attribute of self: the value, the annotation, the scope of the method."""
    class_scope = child(cls.scope, cls.node)
    for index in _methods(cls).get(attr, ()):
        method = cls.node.body[index]
        if not isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for statement in statements(method.body):
            for target, value, annotation in _targets(statement):
                if isinstance(target, ast.Attribute) and target.attr == attr and _is_self(target.value):
                    yield value, annotation, child(class_scope, method)


def _methods(cls: Cls) -> dict[str, list[int]]:
    """By attribute, which methods of a class may assign it, by their text: most need not be parsed for it; found once."""
    module = cls.module
    key = f"assigned:{cls.node.lineno}:{cls.node.col_offset}"
    known = module.cache.get(key)
    if isinstance(known, dict):
        return cast("dict[str, list[int]]", known)
    found: dict[str, list[int]] = {}
    begins = [each.lineno for each in cls.node.body]
    end = module.offset((cls.node.end_lineno or cls.node.lineno) + 1)
    for match in _ASSIGNED.finditer(module.text, module.offset(cls.node.lineno), end):
        index = bisect_right(begins, module.line_at(match.start())) - 1
        there = found.setdefault(match[1], [])
        if index >= 0 and index not in there[-1:]:
            there.append(index)
    module.cache[key] = found
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
