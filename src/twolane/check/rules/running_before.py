"""TL310: the row says `running` before the task runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView, shown
from twolane.check.rules.status_machine import FIELDS, moves
from twolane.check.words import words

_RUNNING = frozenset(
    [
        "running",
        "processing",
        "started",
        "uploading",
        "downloading",
        "importing",
        "exporting",
        "syncing",
        "generating",
        "progress",
        "indexing",
        "training",
    ]
)


def _before(view: SiteView) -> Iterator[Hit]:
    if view.around is None:
        return
    for hit in moves(view.around):
        if (
            hit.line < view.site.line
            and set(words(hit.reason.partition(" to ")[2].partition(":")[0])) & _RUNNING
        ):
            yield _hit(view, hit.line, hit.reason)
            return
    for call in view.around.calls:
        if call.line >= view.site.line or not call.name[:1].isupper():
            continue
        for keyword in call.keywords:
            if (
                keyword.arg
                and set(words(keyword.arg)) & FIELDS
                and set(words(_value(keyword.value))) & _RUNNING
            ):
                yield _hit(view, call.line, f"makes {shown(call.node)}")
                return


def _hit(view: SiteView, line: int, what: str) -> Hit:
    return Hit(
        line, f"{what} before the task of line {view.site.line} runs: if it is lost, that stays for ever"
    )


def _value(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Attribute(value=ast.Attribute(attr=name), attr="value") | ast.Attribute(attr=name):
            return name
        case _:
            return ""


RULE = Rule(
    code="TL310",
    title="running before it runs",
    says="finding",
    reason=(
        "The request writes `running`, then adds the task. If the process dies before the task ends, the row says "
        "`running` for ever, and an endpoint that refuses a second start because of it locks the customer out. Write "
        "`running` in the task, as its first act, or ask the queue for the state."
    ),
    bad="""
@app.post("/exports/{export_id}")
def start(export_id: int, background_tasks: BackgroundTasks):
    export = exports.find(export_id)
    export.status = "running"
    background_tasks.add_task(write, export_id)

def write(export_id: int) -> None:
    dump(export_id)
""",
    good="""
@app.post("/exports/{export_id}")
def start(export_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(write, export_id)

def write(export_id: int) -> None:
    export = exports.find(export_id)
    export.status = "running"
    dump(export_id)
""",
    of_site=_before,
)
