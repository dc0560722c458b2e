"""TL210: the task keeps a log, a trace or a history."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.body import Call
from twolane.check.rule import Hit, Rule, SiteView, shown
from twolane.check.rules.telemetry import TRAILS
from twolane.check.words import words

_BOOKS = frozenset(
    "log logs trace traces tracing history histories debug seen intermediate".split()  # noqa: SIM905
)
_COUNTED = frozenset("activity activities visit visits view views access steps".split())  # noqa: SIM905
"""Traces where somebody counts them; where somebody makes them they are a thing: `create_view`, `add_access`."""
_COUNTS = frozenset("log record track touch increment".split())  # noqa: SIM905
_KEEPS = _COUNTS | frozenset(
    "keep persist save write add store create update insert append".split()  # noqa: SIM905
)
_REMOVES = frozenset(["delete", "remove", "purge", "drop", "clear", "erase", "wipe", "destroy"])
_NOT = frozenset(
    [
        "in", "out", "off", "user", "login", "logout", "upload", "chat", "message", "conversation", "catalog", "dialog", "blog",
        "file", "files", "job", "step", "material", "audit", "order", "payment", "transaction", "invoice", "billing", "price",
        "medical", "patient", "health", "employment", "time", "hours",
    ]
)  # fmt: skip
_LOGGED = frozenset(
    [
        "request", "requests", "response", "responses", "event", "events", "usage", "query", "queries", "error", "errors",
        "exception", "interaction", "run", "call", "api", "search", "action", "message",
    ]
)  # fmt: skip
"""What `log_...` is the trace of. `log_expense` and `log_hours` are somebody's entries."""
_LAST = frozenset(["used", "seen", "active", "accessed", "visited"])


def _is_book(name: tuple[str, ...]) -> bool:
    if not name or name[0] not in _KEEPS:
        return False
    if "last" in name and set(name) & _LAST:
        return True
    kept = set(name[1:])
    if name[0] == "log":
        return bool(kept & (_BOOKS | _COUNTED | _LOGGED)) and not kept & (_NOT - {"message"})
    return bool(kept & (_BOOKS | (_COUNTED if name[0] in _COUNTS else frozenset()))) and not kept & _NOT


def _is_handed_in(view: SiteView, name: tuple[str, ...]) -> bool:
    """What is posted to `/traces` are somebody's traces: the thing itself, and no trace of it."""
    books = {each.rstrip("s") for each in name if each in _BOOKS}
    return any(
        route.methods - {"GET", "HEAD"} and books & {each.rstrip("s") for each in words(route.path)}
        for route, _ in view.routes
    )


def _keeps(call: Call) -> str | None:
    if call.makes or not _is_book(words(call.name)) or call.name == "log" or call.receiver & TRAILS:
        return None
    return f"keeps a log: {shown(call.node)}"


def _named(view: SiteView) -> Iterator[Hit]:
    name = view.root.func.name if view.root is not None else view.site.called.rpartition(".")[2]
    parts = words(name)
    removes = bool(_REMOVES & set(parts[:2]))  # rows that somebody asked to be rid of are no trace of that
    if not removes and _is_book(parts) and not _is_handed_in(view, parts):
        yield Hit(view.site.line, f"keeps a log or a trace, by its name: {name}")


RULE = Rule(
    code="TL210",
    title="keeps a log, a trace or a history",
    says="background",
    weight=3,
    reason=(
        "A trace for debugging, a list of visits, a last-seen time: a gap in it is found by nobody. An audit trail that a "
        "law asks for is another thing, and is not taken for one of these, nor is what somebody makes or hands in: "
        "`create_view` makes a view, `log_expense` enters an expense, and what is posted to `/traces` are somebody's traces."
    ),
    bad="""
def save_order(order: dict) -> None:
    db.orders.insert_one(order)

@app.post("/orders")
def create(order: dict, background_tasks: BackgroundTasks):
    background_tasks.add_task(save_order, order)
""",
    good="""
def save_trace(trace: dict) -> None:
    db.traces.insert_one(trace)

@app.post("/ask")
def ask(question: str, background_tasks: BackgroundTasks):
    found = answer(question)
    background_tasks.add_task(save_trace, {"question": question})
    return found
""",
    of_call=_keeps,
    of_site=_named,
)
