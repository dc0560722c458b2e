"""TL109: the task is all that the request does."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.body import Body, Call
from twolane.check.neutral import is_neutral
from twolane.check.rule import Hit, Rule, SiteView


def _only(view: SiteView) -> Iterator[Hit]:
    for route, body in view.routes:
        if not route.methods & {"POST", "PUT", "PATCH", "DELETE"}:
            continue
        if body.func.key != (view.site.func.key if view.site.func else None):
            continue
        others = [call for call in body.calls if not _is_part(call, view) and not is_neutral(call)]
        if not others and not _changes(body):
            method = "/".join(sorted(route.methods))
            yield Hit(
                body.func.node.lineno,
                f"the task is all that this {method} does: lost, the request has done nothing",
                path=body.module.rel,
            )
            return


def _is_part(call: Call, view: SiteView) -> bool:
    site = view.site.place.call
    return (
        call.node is site
        or site.lineno <= call.line <= (site.end_lineno or site.lineno)
        or call.name == "add_task"
    )


def _changes(body: Body) -> bool:
    """Whether the handler streams an answer: that is its work then."""
    return any(
        "Streaming" in call.name or "FileResponse" in call.name or "EventSource" in call.name
        for call in body.calls
    )


RULE = Rule(
    code="TL109",
    title="is all that the request does",
    says="queue",
    weight=2,
    reason=(
        "A POST, PUT or DELETE whose handler does nothing but start the task has answered 200 for work that has not "
        "begun. If the task is lost, the request was lost, and the caller has no way to know."
    ),
    bad="""
@app.delete("/events/{event_id}")
def cancel(event_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(cancel_event, event_id)
    return {"ok": True}

def cancel_event(event_id: int) -> None:
    calendar.wipe(event_id)
""",
    good="""
@app.delete("/events/{event_id}")
def cancel(event_id: int, background_tasks: BackgroundTasks):
    calendar.wipe(event_id)
    background_tasks.add_task(print, "cancelled", event_id)
    return {"ok": True}
""",
    of_site=_only,
)
