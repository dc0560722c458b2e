"""TL306: tasks that are dropped by a raise after them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.scopes import FUNCTIONS, statements


def _dropped(view: SiteView) -> Iterator[Hit]:
    site = view.site
    if site.kind != "add_task":
        return
    found = site.place.found
    at: ast.AST | None = found.statement(site.place.call)
    while at is not None and not isinstance(at, FUNCTIONS):
        parent = found.parents.get(id(at))
        if parent is None:
            return
        for later in _after(parent, at):
            if _leaves(later):
                return
            for statement in statements([later]):
                if isinstance(statement, ast.Raise):
                    yield Hit(
                        statement.lineno,
                        f"raised after the task of line {site.line} was added: FastAPI drops it without a word",
                    )
                    return
        at = parent


def _after(parent: ast.AST, at: ast.AST) -> list[ast.stmt]:
    for block in ("body", "orelse", "finalbody"):
        siblings: list[ast.stmt] = list(getattr(parent, block, None) or []) if block in parent._fields else []
        if at in siblings:
            return [each for each in siblings if each.lineno > getattr(at, "lineno", 0)]
    return []


def _leaves(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.Return, ast.Break, ast.Continue))


RULE = Rule(
    code="TL306",
    title="a raise after the task was added",
    says="finding",
    reason=(
        "FastAPI runs what was added only behind a response that the endpoint returned. If it raises after `add_task`, "
        "all tasks are dropped and nothing is logged. twolane rolls both lanes back too, says so by name, and "
        "`await tasks.send(...)` is for what must go whatever the answer is."
    ),
    bad="""
@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(note, order_id)
    if sold_out(order_id):
        raise HTTPException(409)

def note(order_id: int) -> None:
    print(order_id)
""",
    good="""
@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks):
    if sold_out(order_id):
        raise HTTPException(409)
    background_tasks.add_task(note, order_id)

def note(order_id: int) -> None:
    print(order_id)
""",
    of_site=_dropped,
)
