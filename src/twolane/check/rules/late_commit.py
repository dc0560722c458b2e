"""TL311: the session commits only after the tasks were sent."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.body import Body
from twolane.check.refs import Func
from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.scopes import Parameter
from twolane.check.words import dotted


def _late(view: SiteView) -> Iterator[Hit]:
    for route, body in view.routes:
        scope = next((s for s in view.site.place.scope.functions() if s.node is route.func.node), None)
        bindings = [] if scope is None else [b for each in scope.bindings.values() for b in each]
        for binding in bindings:
            call = _depends(binding) if isinstance(binding, Parameter) else None
            if (
                call is None
                or scope is None
                or "function" in [getattr(k.value, "value", "") for k in call.keywords if k.arg == "scope"]
            ):
                continue
            found = view.names.ref(call.args[0], scope.parent or scope) if call.args else None
            if isinstance(found, Func) and (line := _commits_after(Body(found, view.names))) is not None:
                yield Hit(
                    line,
                    f"{found.name} commits after the response, so the task of line {view.site.line} of "
                    f"{body.module.rel} may not see what this request wrote",
                    path=found.module.rel,
                )
                return


def _depends(parameter: Parameter) -> ast.Call | None:
    for node in (parameter.default, parameter.arg.annotation):
        for each in ast.walk(node) if node is not None else ():
            if isinstance(each, ast.Call) and dotted(each.func).rpartition(".")[2] == "Depends":
                return each
    return None


def _commits_after(body: Body) -> int | None:
    lines = [node.lineno for node in body.of(ast.Yield)]
    if not lines:
        return None
    return next((call.line for call in body.calls if call.name == "commit" and call.line > lines[0]), None)


RULE = Rule(
    code="TL311",
    title="a session that commits after the tasks were sent",
    says="finding",
    reason=(
        "A dependency that yields a session and commits after the `yield` commits when the response has gone, unless it "
        'says `scope="function"`. What was added in the request may run before, and finds no row. Commit in the '
        "endpoint, or give the dependency function scope."
    ),
    bad="""
def session():
    db = SessionLocal()
    yield db
    db.commit()

def ship(order_id: int) -> None:
    label(order_id)

@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks, db: Session = Depends(session)):
    db.add(Order(id=order_id))
    background_tasks.add_task(ship, order_id)
""",
    good="""
def session():
    db = SessionLocal()
    yield db
    db.commit()

def ship(order_id: int) -> None:
    label(order_id)

@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks, db: Session = Depends(session, scope="function")):
    db.add(Order(id=order_id))
    background_tasks.add_task(ship, order_id)
""",
    of_site=_late,
)
