"""TL304: the task raises an answer that nobody gets."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.words import dotted


def _raises(view: SiteView) -> Iterator[Hit]:
    for body, depth in view.bodies:
        if depth > 1:
            continue
        for node in body.of(ast.Raise):
            if node.exc is not None and dotted(node.exc).rpartition(".")[2] == "HTTPException()":
                yield Hit(
                    node.lineno,
                    "raises HTTPException in a task: the response has gone, nobody gets it",
                    path=body.module.rel,
                )
                return


RULE = Rule(
    code="TL304",
    title="HTTPException in a task",
    says="finding",
    reason=(
        "The response has gone when the task runs. An `HTTPException` there is no answer: it is an error in the log at "
        "best, and often it means that a check which should have come first comes too late."
    ),
    bad="""
def publish(post_id: int) -> None:
    if not allowed(post_id):
        raise HTTPException(403)
    push(post_id)

@app.post("/posts/{post_id}")
def create(post_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(publish, post_id)
""",
    good="""
def publish(post_id: int) -> None:
    push(post_id)

@app.post("/posts/{post_id}")
def create(post_id: int, background_tasks: BackgroundTasks):
    if not allowed(post_id):
        raise HTTPException(403)
    background_tasks.add_task(publish, post_id)
""",
    of_site=_raises,
)
