"""Which functions answer requests, and which are called around them: at start-up, at shutdown, on a schedule."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeAlias

from twolane.check.names import Names
from twolane.check.places import having
from twolane.check.refs import Cls, Func
from twolane.check.scopes import Scope
from twolane.check.tree import Module, Tree
from twolane.check.words import dotted

VERBS = frozenset(["get", "post", "put", "patch", "delete", "head", "options", "api_route", "route", "trace"])
_ENTRIES = frozenset(["Route", "APIRoute", "add_route", "add_api_route"])
_ENTRY_TEXTS = ("Route(", "add_route(", "add_api_route(")
Role: TypeAlias = Literal["request", "websocket", "around", "none"]

_AROUND_NAMES = frozenset(
    ["lifespan", "startup", "shutdown", "on_startup", "on_shutdown", "main", "__main__"]
)
_AROUND_DECORATORS = frozenset(
    [
        "on_event",
        "asynccontextmanager",
        "contextmanager",
        "on_startup",
        "command",
        "cron",
        "scheduled_job",
        "task",
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One way in: a handler with its method and path.

    Attributes:
        func: the handler.
        methods: in upper case.
        path: as it is written; empty where it is computed.
        status: the status code that is written out, as text.
    """

    func: Func
    methods: frozenset[str]
    path: str
    status: str


Key: TypeAlias = tuple[str, int, int] | tuple[str, str]
"""A function or a class by its place; where that is not known, by its name in the module of the table."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of a table: its methods, its path, its status."""

    methods: frozenset[str]
    path: str
    status: str


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """All tables of a tree."""

    entries: dict[Key, _Entry]


def func_of(scope: Scope) -> Func | None:
    """The function that a scope is the inside of."""
    if scope.parent is None or isinstance(scope.node, (ast.Module, ast.ClassDef)):
        return None
    owner = None
    if isinstance(scope.parent.node, ast.ClassDef) and scope.parent.parent is not None:
        owner = Cls(scope.module, scope.parent.node, scope.parent.parent)
    return Func(scope.module, scope.node, scope.parent, owner)


def route_of(func: Func, tree: Tree) -> Route | None:
    """The route a function handles, by its decorator or by a table of routes."""
    if isinstance(func.node, ast.Lambda):
        return None
    for decorator in func.node.decorator_list:
        route = _decorated(func, decorator)
        if route is not None:
            return route
    return _listed(func, tree)


def role_of(func: Func, tree: Tree) -> Role:
    """What a function is to a request."""
    if isinstance(func.node, ast.Lambda):
        return "none"
    names = [dotted(each) for each in func.node.decorator_list]
    lasts = {name.removesuffix("()").rpartition(".")[2] for name in names}
    if any(name.endswith(("websocket()", "websocket_route()")) for name in names):
        return "websocket"
    if route_of(func, tree) is not None:
        return "request"
    if any(name.endswith((".middleware()", ".exception_handler()")) for name in names):
        return "request"
    if func.owner is not None and func.name in ("dispatch", *VERBS) and _is_door(func.owner.node):
        return "request"
    if (
        lasts & _AROUND_DECORATORS
        or func.name in _AROUND_NAMES
        or "lifespan" in func.name
        or "startup" in func.name
    ):
        return "around"
    return "none"


def _is_door(cls: ast.ClassDef) -> bool:
    return any(dotted(base).endswith(("HTTPEndpoint", "BaseHTTPMiddleware")) for base in cls.bases)


def _decorated(func: Func, decorator: ast.expr) -> Route | None:
    if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
        return None
    verb = decorator.func.attr
    if verb not in VERBS:
        return None
    path = _path(decorator)
    if path is None:
        return None
    methods = [verb.upper()]
    if verb in ("api_route", "route"):
        methods = _listed_methods(decorator)
    return Route(func, frozenset(methods), path, _status(decorator))


def _path(call: ast.Call) -> str | None:
    """The path of a route; None: this is no route (`@mock.patch("a.b")`, `@cache.get(key)`)."""
    written = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "path"), None)
    match written:
        case ast.Constant(value=str(path)) if path == "" or path.startswith("/"):
            return path
        case ast.JoinedStr() | ast.BinOp() | ast.Attribute() | ast.Name():
            return "".join(
                each.value
                for each in ast.walk(written)
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )
        case _:
            return None


def _status(call: ast.Call) -> str:
    given = next((k.value for k in call.keywords if k.arg == "status_code"), None)
    return "" if given is None else ast.unparse(given)


def _listed_methods(call: ast.Call) -> list[str]:
    given = next((k.value for k in call.keywords if k.arg == "methods"), None)
    if not isinstance(given, (ast.List, ast.Tuple, ast.Set)):
        return ["GET"]
    return [
        each.value.upper()
        for each in given.elts
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]


def _listed(func: Func, tree: Tree) -> Route | None:
    """`Route("/path", handler)` and `app.add_api_route("/path", handler)`, wherever in the tree they stand."""
    entries = _table(tree).entries
    entry = entries.get(func.key) or entries.get((func.module.rel, func.name))
    if entry is not None:
        return Route(func, entry.methods, entry.path, entry.status)
    if func.owner is not None and func.name in VERBS and (entry := entries.get(func.owner.key)) is not None:
        return Route(func, frozenset([func.name.upper()]), entry.path, entry.status)
    return None


def _table(tree: Tree) -> _Table:
    """The tables of routes of a tree, read once."""
    known = tree.cache.get("routes")
    if isinstance(known, _Table):
        return known
    tree.cache["routes"] = _Table({})  # what is looked up meanwhile is in no table
    found = (
        _listed_in(each, tree)
        for each in tree.modules.values()
        if any(text in each.text for text in _ENTRY_TEXTS)
    )
    tree.cache["routes"] = made = _Table(dict(chain.from_iterable(found)))
    return made


def _listed_in(module: Module, tree: Tree) -> Iterator[tuple[Key, _Entry]]:
    names = Names(tree)
    for place in (place for found in having(tree, module, _ENTRY_TEXTS) for place in found.calls):
        call = place.call
        if dotted(call.func).rpartition(".")[2] not in _ENTRIES or (path := _path(call)) is None:
            continue
        entry = _Entry(frozenset(_listed_methods(call)), path, _status(call))
        for each in (*call.args[1:2], *(k.value for k in call.keywords if k.arg == "endpoint")):
            inner = each.args[0] if isinstance(each, ast.Call) and each.args else each  # `guarded(handler)`
            found = names.ref(inner, place.scope)
            if isinstance(found, (Func, Cls)):
                yield found.key, entry
            elif found is None:
                yield (module.rel, dotted(inner).rpartition(".")[2]), entry
