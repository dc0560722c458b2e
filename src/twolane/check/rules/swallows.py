"""TL301: the task swallows every exception."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.words import dotted

_ALL = frozenset(["Exception", "BaseException"])
_SAYS = ("log", "logger", "logging", "print", "traceback", "capture_exception", "str", "repr", "type")


def _swallows(view: SiteView) -> Iterator[Hit]:
    if view.root is None or isinstance(view.root.func.node, ast.Lambda):
        return
    body = [each for each in view.root.func.node.body if not _is_trifle(each)]
    if len(body) != 1 or not isinstance(body[0], ast.Try):
        return
    for handler in body[0].handlers:
        if _is_all(handler.type) and _only_says(handler):
            name = view.root.func.name
            yield Hit(
                handler.lineno,
                f"{name} catches everything and only logs it: a failure looks like a success to all others",
                path=view.root.module.rel,
            )


def _is_trifle(statement: ast.stmt) -> bool:
    match statement:
        case (
            ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.Assign() | ast.AnnAssign()
        ):
            return True
        case ast.Expr(value=ast.Call(func=func)):
            return dotted(func).partition(".")[0] in _SAYS
        case ast.Return(value=value):
            return value is None or isinstance(value, (ast.Constant, ast.Name))
        case _:
            return False


def _is_all(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    each = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(dotted(one).rpartition(".")[2] in _ALL for one in each)


def _only_says(handler: ast.ExceptHandler) -> bool:
    for statement in handler.body:
        for each in ast.walk(statement):
            match each:
                case ast.Raise():
                    return False
                case ast.Call(func=func):
                    name = dotted(func)
                    if not name.startswith(_SAYS) and not set(name.split(".")) & {
                        "log",
                        "logger",
                        "logging",
                        "_logger",
                        "_log",
                    }:
                        return False
                case ast.Assign():
                    return False
                case _:
                    continue
    return True


RULE = Rule(
    code="TL301",
    title="the task swallows every exception",
    says="finding",
    reason=(
        "A `try` round the whole body whose `except Exception` only logs: nothing can try again, nothing can count, and "
        "nobody is told. A third of the tasks that must not be lost are written like this. Let it raise: the queue lane "
        "retries it and keeps what fails, the background lane logs it by name."
    ),
    bad="""
def sync(customer_id: int) -> None:
    try:
        crm.push(customer_id)
    except Exception as error:
        logger.error("sync failed: %s", error)

@app.post("/customers/{customer_id}")
def change(customer_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(sync, customer_id)
""",
    good="""
def sync(customer_id: int) -> None:
    crm.push(customer_id)

@app.post("/customers/{customer_id}")
def change(customer_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(sync, customer_id)
""",
    of_site=_swallows,
)
