"""TL308: the task sleeps or tries again by hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.rules.waiting import sleeps


def _by_hand(view: SiteView) -> Iterator[Hit]:
    for body, _ in view.bodies:
        loops = body.of(ast.For, ast.While, ast.AsyncFor)
        for call in body.calls:
            if not sleeps(call):
                continue
            around = [loop for loop in loops if loop.lineno <= call.line <= (loop.end_lineno or call.line)]
            tries = any(isinstance(each, ast.Try) for loop in around for each in ast.walk(loop))
            what = "tries again by hand" if tries else "polls by hand" if around else "sleeps"
            yield Hit(
                call.line,
                f"{what}: a restart in between ends it, and nothing goes on from there",
                path=body.module.rel,
            )
            return


RULE = Rule(
    code="TL308",
    title="sleeping or retrying by hand",
    says="finding",
    reason=(
        "A loop with a `sleep` in a task is a queue without its memory: each deploy forgets how far it had come. "
        "`max_attempts` and `backoff` try again over restarts, `RetryLater(after_s)` polls, `options(delay_s=...)` waits."
    ),
    bad="""
def push(order_id: int) -> None:
    for attempt in range(5):
        try:
            return warehouse(order_id)
        except ConnectionError:
            time.sleep(30)

@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(push, order_id)
""",
    good="""
def push(order_id: int) -> None:
    warehouse(order_id)

@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(push, order_id)
""",
    of_site=_by_hand,
)
