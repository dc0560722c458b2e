"""Which functions answer requests, and which are called around them: at start-up, at shutdown, on a schedule."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from twolane.check.places import having
from twolane.check.refs import Func
from twolane.check.scopes import Scope
from twolane.check.tree import Module, Tree
from twolane.check.words import dotted

VERBS = frozenset(["get", "post", "put", "patch", "delete", "head", "options", "api_route", "route", "trace"])
_ENTRIES = frozenset(["Route", "APIRoute", "add_route", "add_api_route"])
_ENTRY = re.compile(r"\b(?:Route|APIRoute|add_route|add_api_route)\b")
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


def func_of(scope: Scope) -> Func | None:
    """The function that a scope is the inside of."""
    if scope.parent is None or isinstance(scope.node, (ast.Module, ast.ClassDef)):
        return None
    owner = None
    if isinstance(scope.parent.node, ast.ClassDef) and scope.parent.parent is not None:
        from twolane.check.refs import Cls

        owner = Cls(scope.module, scope.parent.node, scope.parent.parent)
    return Func(scope.module, scope.node, scope.parent, owner)


def route_of(func: Func, tree: Tree) -> Route | None:
    """The route a function handles, by its decorator or by a table of routes in its own module."""
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
    """`Route("/path", handler)` and `app.add_api_route("/path", handler)`."""
    listed = _table(tree, func.module).get(func.name)
    if listed is None:
        return None
    methods, path, status = listed
    return Route(func, methods, path, status)


def _table(tree: Tree, module: Module) -> dict[str, tuple[frozenset[str], str, str]]:
    """The handlers of a module's tables of routes, by name: methods, path, status; read once."""
    known = module.cache.get("table")
    if isinstance(known, dict):
        return known  # pyright: ignore[reportUnknownVariableType]
    table: dict[str, tuple[frozenset[str], str, str]] = {}
    for found in having(tree, module, _ENTRY) if _ENTRY.search(module.text) else ():
        for call in (place.call for place in found.calls):
            if dotted(call.func).rpartition(".")[2] not in _ENTRIES or (path := _path(call)) is None:
                continue
            for each in (*call.args[1:2], *(k.value for k in call.keywords if k.arg == "endpoint")):
                name = dotted(each).rpartition(".")[2]
                table.setdefault(name, (frozenset(_listed_methods(call)), path, _status(call)))
    module.cache["table"] = table
    return table
