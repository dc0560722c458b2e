"""TL116: elsewhere the same work goes to a real queue."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.body import Body
from twolane.check.rule import Hit, Rule, SiteView, shown
from twolane.check.words import dotted

_ENQUEUE = frozenset(
    "enqueue enqueue_job apply_async send_task delay kiq enqueue_at enqueue_in send_message defer_async".split()  # noqa: SIM905
)


def _twin(view: SiteView) -> Iterator[Hit]:
    if view.site.func is None:
        return
    site = view.site.place.call
    body = view.around or Body(view.site.func, view.names)
    for node in body.of(ast.If):
        if not node.orelse:
            continue
        branches = [node.body, node.orelse]
        inside = [any(site is each for stmt in branch for each in ast.walk(stmt)) for branch in branches]
        if inside not in ([True, False], [False, True]):
            continue
        other = branches[0] if inside[1] else branches[1]
        for stmt in other:
            for each in ast.walk(stmt):
                if isinstance(each, ast.Call) and dotted(each.func).rpartition(".")[2] in _ENQUEUE:
                    yield Hit(
                        each.lineno,
                        f"goes to a real queue where there is one: {shown(each)}",
                        path=view.site.path,
                    )
                    return


RULE = Rule(
    code="TL116",
    title="goes to a real queue where there is one",
    says="queue",
    weight=4,
    reason=(
        "`if redis: enqueue(...) else: background_tasks.add_task(...)`: whoever wrote it knows that this is work for a "
        "queue. The second branch is what runs on small installations, and it loses work there."
    ),
    bad="""
@app.post("/alerts")
async def alert(event: dict, background_tasks: BackgroundTasks):
    if REDIS:
        await pool.enqueue_job("process_event", event)
    else:
        background_tasks.add_task(process_event, event)

def process_event(event: dict) -> None:
    correlate(event)
""",
    good="""
@app.post("/alerts")
async def alert(event: dict, lanes: Lanes):
    lanes.add_task(process_event, event)

@tasks.task(if_lost="alert", because="an alert that nobody sees")
def process_event(event: dict) -> None:
    correlate(event)
""",
    of_site=_twin,
)
