"""What becomes of the task that a call starts: awaited in the same place, bound to a stream, given back, or left alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal, TypeAlias

from twolane.check.places import Place
from twolane.check.scopes import Scope, statements
from twolane.check.words import dotted, words

Fate: TypeAlias = Literal["awaited", "streamed", "returned", "dropped", "kept"]

_WAITS = frozenset(
    [
        "gather",
        "wait",
        "wait_for",
        "as_completed",
        "shield",
        "run_until_complete",
        "timeout",
        "run",
        "wrap_future",
    ]
)
_ENDS = frozenset(["cancel", "join", "result", "exception", "wait", "get", "aclose"])
_ENDINGS = frozenset("close aclose stop shutdown drain exit aexit lifespan".split())  # noqa: SIM905
_GOES_ON = frozenset("running active alive started enabled monitoring".split())  # noqa: SIM905
"""Flags of an object that runs until it is stopped; `while self.waiting:` ends when all is done."""
_SETTLED: tuple[Fate, ...] = ("awaited", "returned")
_STREAMS = ("StreamingResponse", "EventSourceResponse", "ServerSentEvent")


def fate_of(place: Place) -> Fate:  # noqa: C901  (one case a kind of node)
    """What becomes of what a call of the create_task kind makes."""
    before: ast.AST = place.call
    for above in place.found.above(place.call):
        match above:
            case ast.Await() | ast.Yield() | ast.YieldFrom():
                return "awaited"
            case ast.Return():
                return "returned"
            case ast.Call(func=func) if before is not func:
                last = dotted(func).rpartition(".")[2]
                if last in _WAITS:
                    return "awaited"
                if last in ("append", "add", "put", "extend", "appendleft") and isinstance(
                    func, ast.Attribute
                ):
                    return _of_target(func.value, place.scope)
            case ast.Attribute(attr=attr) if attr in _ENDS:
                return "awaited"
            case ast.Assign(targets=targets):
                return _of_target(targets[0], place.scope)
            case ast.AnnAssign(target=target) | ast.NamedExpr(target=target):
                return _of_target(target, place.scope)
            case ast.withitem():
                return "awaited"
            case ast.stmt():
                return "dropped"
            case _:
                pass
        before = above
    return "dropped"


def is_streamed(place: Place) -> bool:
    """Whether the work feeds the answer of the same request: it lives and dies with it."""
    for scope in place.scope.functions():
        if is_generator(scope):
            return True
        if not isinstance(scope.node, ast.Lambda) and any(_names_stream(each) for each in scope.node.body):
            return _shares_queue(place, scope)
    return False


def is_endless(statement: ast.stmt) -> bool:
    """Whether a statement is a loop that ends only when somebody stops it."""
    if not isinstance(statement, ast.While):
        return False
    match statement.test:
        case ast.Attribute(value=ast.Name("self"), attr=flag) if not _GOES_ON & set(words(flag)):
            return False
        case ast.Constant(value=True | 1) | ast.UnaryOp(op=ast.Not()) | ast.Attribute(value=ast.Name("self")):
            inside = statements(statement.body)
            handled = [
                each
                for tried in statements(statement.body)
                if isinstance(tried, ast.Try)
                for handler in tried.handlers
                for each in statements(handler.body)
            ]
            return not any(
                isinstance(each, (ast.Return, ast.Break)) and each not in handled for each in inside
            )
        case _:
            return False


def is_generator(scope: Scope) -> bool:
    """Whether a function yields."""
    if isinstance(scope.node, (ast.Lambda, ast.Module, ast.ClassDef)):
        return False
    return any(
        isinstance(each, (ast.Yield, ast.YieldFrom))
        for statement in statements(scope.node.body)
        for each in _shallow(statement)
    )


def _of_target(target: ast.expr, scope: Scope) -> Fate:
    while isinstance(target, ast.Subscript):
        target = target.value
    outermost = (list(scope.functions()) or [scope])[-1]
    if isinstance(target, ast.Attribute):
        return _of_attribute(target, outermost)
    if not isinstance(target, ast.Name):
        return "kept"
    return _of_name(target.id, outermost.node, frozenset())


def _of_name(name: str, around: ast.AST, seen: frozenset[str]) -> Fate:
    """What becomes of what a name holds, and of a list that it is put into."""
    lists: set[str] = set()
    fates: set[Fate | None] = set()
    for each in ast.walk(around):
        fates.add(_use(each, name))
        match each:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=into), attr="append" | "add"), args=[ast.Name(id=put)]
            ) if put == name:
                lists.add(into)
            case _:
                continue
    fates |= {_of_name(each, around, seen | {name}) for each in lists - seen - {name}}
    for fate in _SETTLED:
        if fate in fates:
            return fate
    return "kept"


def _of_attribute(target: ast.Attribute, outermost: Scope) -> Fate:
    """`self.task = create_task(...)`: awaited here, or by another method that is no end of the object."""
    name = dotted(target)
    places: list[ast.AST] = [outermost.node]
    parent = outermost.parent
    if parent is not None and isinstance(parent.node, ast.ClassDef) and name.startswith("self."):
        places += [
            each
            for each in parent.node.body
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
            and not _ENDINGS & set(words(each.name))
            and target.attr in outermost.module.between(each.lineno, each.end_lineno or each.lineno)
        ]
    return "awaited" if any(_awaits(each, name) for each in places) else "kept"


def _awaits(place: ast.AST, name: str) -> bool:
    """Whether a function awaits what an attribute holds, and does not cancel it."""
    awaited = False
    for each in ast.walk(place):
        match each:
            case ast.Call(func=ast.Attribute(attr="cancel", value=of)) if dotted(of) == name:
                return False
            case ast.Await(value=value):
                awaited = awaited or any(
                    isinstance(part, ast.Attribute) and dotted(part) == name for part in ast.walk(value)
                )
            case _:
                continue
    return awaited


def _use(node: ast.AST, name: str) -> Fate | None:
    match node:
        case ast.Await(value=value) if _mentions(value, name):
            return "awaited"
        case ast.Call(func=ast.Attribute(value=ast.Name(id=of), attr=attr)) if of == name and attr in _ENDS:
            return "awaited"
        case ast.Call(func=func, args=args, keywords=keywords) if dotted(func).endswith(_STREAMS):
            given = [*args, *(each.value for each in keywords)]
            return "awaited" if any(_mentions(each, name) for each in given) else None
        case ast.Call(func=func, args=args) if dotted(func).rpartition(".")[2] in _WAITS:
            return "awaited" if any(_mentions(each, name) for each in args) else None
        case ast.For(target=ast.Name(id=item), iter=items, body=body) if _mentions(items, name):
            inner = {_use(each, item) for statement in body for each in ast.walk(statement)}
            return "awaited" if "awaited" in inner else None
        case ast.Return(value=value) if (
            value is not None and isinstance(value, ast.Name) and value.id == name
        ):
            return "returned"
        case ast.Yield(value=value) if value is not None and _mentions(value, name):
            return "returned"
        case _:
            return None


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))


def _names_stream(statement: ast.stmt) -> bool:
    return any(
        isinstance(each, ast.Call) and dotted(each.func).endswith(_STREAMS) for each in ast.walk(statement)
    )


def _shares_queue(place: Place, scope: Scope) -> bool:
    """The work puts what the stream hands out into a queue or a channel that both know."""
    channels = {
        name
        for name, bindings in scope.bindings.items()
        for binding in bindings
        if (value := getattr(binding, "node", None)) is not None
        and isinstance(value, ast.Call)
        and dotted(value.func).endswith(
            ("Queue", "create_memory_object_stream", "Channel", "Handler", "Streamer")
        )
    }
    inside = ast.walk(scope.node) if _is_nested(place, scope) else ast.walk(place.call)
    return any(isinstance(each, ast.Name) and each.id in channels for each in inside)


def _is_nested(place: Place, scope: Scope) -> bool:
    """Whether what is started is a function of this place, which sees its locals."""
    return any(
        isinstance(each, ast.Name)
        and any(
            isinstance(binding, (ast.FunctionDef, ast.AsyncFunctionDef))
            for binding in scope.bindings.get(each.id, ())
        )
        for each in ast.walk(place.call)
    )


def _shallow(node: ast.AST) -> Iterator[ast.AST]:
    """The expressions of a statement, not those of blocks, functions and lambdas in it."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    for each in ast.iter_child_nodes(node):
        if isinstance(each, (ast.stmt, ast.Lambda, ast.ExceptHandler, ast.match_case)):
            continue
        yield each
        yield from _shallow(each)
