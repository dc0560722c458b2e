"""TL302: the task gets something that ends with the request."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.scopes import Parameter, Scope, child
from twolane.check.words import words

_SESSIONS = frozenset("session connection conn cursor transaction".split())  # noqa: SIM905


def _handed(view: SiteView) -> Iterator[Hit]:
    site = view.site
    given = [*site.args, *(k.value for k in site.keywords)]
    for node in given:
        if isinstance(node, ast.Name):
            what = _scoped(node.id, site.place.scope)
            if what is not None:
                yield Hit(site.line, f"`{node.id}` is handed to the task: {what}")
    if view.root is not None and _is_nested(view):
        inside = view.root
        own = child(inside.func.scope, inside.func.node).bindings
        seen: set[str] = set()
        for used, _ in inside.nodes:
            if isinstance(used, ast.Name) and used.id not in own and used.id not in seen:
                seen.add(used.id)
                what = _scoped(used.id, inside.func.scope)
                if what is not None:
                    yield Hit(used.lineno, f"`{used.id}` is used by the task: {what}", path=inside.module.rel)


def _is_nested(view: SiteView) -> bool:
    return view.root is not None and view.root.func.scope.is_function


def _scoped(name: str, scope: Scope) -> str | None:
    """Why a parameter of the function around the site ends with the request."""
    for at in scope.functions():
        for binding in at.bindings.get(name, ()):
            if isinstance(binding, Parameter):
                return _why(binding)
        if name in at.bindings:
            return None
    return None


def _why(parameter: Parameter) -> str | None:
    annotation = "" if parameter.arg.annotation is None else ast.unparse(parameter.arg.annotation)
    default = "" if parameter.default is None else ast.unparse(parameter.default)
    named = set(words(annotation))
    bare = annotation.replace(" | None", "").rpartition(".")[2]
    if bare in ("Request", "WebSocket", "HTTPConnection"):
        return "the request ends with the response"
    if bare == "UploadFile":
        return "the upload's file is closed when the response has gone"
    is_session = bool(named & _SESSIONS) or parameter.arg.arg in ("db", "session", "db_session", "conn")
    depends = "Depends(" in annotation + default or annotation.endswith(("Dep", "DB"))
    if is_session and depends:
        return "FastAPI closes this session with the request, and the task may find it closed or share it"
    return None


RULE = Rule(
    code="TL302",
    title="the task gets what ends with the request",
    says="finding",
    reason=(
        "A session from `Depends(get_db)`, the request, an upload: each is closed around the time the response goes, in "
        "an order that has changed twice between FastAPI's versions. One in five sites in public code bases hands its "
        "session on. Hand over ids, and let the task open its own."
    ),
    bad="""
def book(db: Session, order_id: int) -> None:
    db.merge(Order(id=order_id))

@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks, db: Session = Depends(get_db)):
    background_tasks.add_task(book, db, order_id)
""",
    good="""
def book(order_id: int) -> None:
    with SessionLocal() as db:
        db.merge(Order(id=order_id))

@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(book, order_id)
""",
    of_site=_handed,
)
