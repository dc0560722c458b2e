"""TL206: the task counts something."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.body import Call
from twolane.check.refs import Func
from twolane.check.rule import Hit, Rule, SiteView, shown
from twolane.check.words import dotted, words

_COUNTS = frozenset(
    [
        "telemetry",
        "analytics",
        "metric",
        "metrics",
        "statistic",
        "statistics",
        "stats",
        "posthog",
        "segment",
        "mixpanel",
        "amplitude",
        "plausible",
        "statsd",
        "prometheus",
        "usage",
        "pageview",
        "heartbeat",
        "langfuse",
        "tracking",
        "beacon",
    ]
)
_COUNTERS = frozenset(
    ["telemetry", "analytics", "metric", "metrics", "statistics", "posthog", "mixpanel", "statsd"]
)
_MEASURING = frozenset("profiling profiler telemetry tracing analytics".split())  # noqa: SIM905
_SWITCHED = frozenset(["enable", "enabled", "on"])
TRAILS = frozenset(["audit", "auditor", "compliance", "ledger"])
"""What an event is logged on where a law or a contract asks for it later: a trail, and no count."""
_AMBIGUOUS = frozenset(["usage", "segment", "tracking", "heartbeat", "stats"])
"""`report_usage_reset` tells somebody something; a function of the tree with such a name is read, not believed."""
_ONLY_COUNTS = frozenset(
    "telemetry analytics posthog mixpanel amplitude plausible statsd prometheus pageview heartbeat".split()  # noqa: SIM905
)
_MAKES = frozenset(
    "create delete remove process generate build compute calculate derive import train evaluate get fetch".split()  # noqa: SIM905
)
_SENDS = frozenset("post push emit flush publish collect save write store bump add upload".split())  # noqa: SIM905
_TRACKED = frozenset(
    "event events view views click clicks visit visits login search download page api request feature activity".split()  # noqa: SIM905
)
_CAPTURES = frozenset(
    [
        "track",
        "capture",
        "identify",
        "increment",
        "incr",
        "observe",
        "inc",
        "record",
        "report",
        "send",
        "log",
        "count",
        "gauge",
        "timing",
        "update",
        "register",
    ]
)


def _counts(call: Call) -> str | None:
    if call.makes or (call.words | call.receiver) & TRAILS:
        return None
    counts = _COUNTS - _AMBIGUOUS if isinstance(call.ref, Func) else _COUNTS
    if (call.words | call.receiver) & counts and call.verb in _CAPTURES:
        return f"counts something: {shown(call.node)}"
    if call.name in ("track_event", "capture_event", "track_usage", "record_metric", "log_event"):
        return f"counts something: {shown(call.node)}"
    return None


def _named(view: SiteView) -> Iterator[Hit]:
    name = words(dotted(view.site.callee).rpartition(".")[2])
    if _is_count(name) and not _is_handed_in(view, name):
        yield Hit(view.site.line, f"counts something, by its name: {view.site.called}")
    elif view.call is not None and view.call.receiver & _COUNTERS and view.call.verb in _CAPTURES:
        yield Hit(view.site.line, f"counts something, by what it is called on: {view.site.called}")
    elif (switch := _switch(view)) is not None:
        yield Hit(view.site.line, f"is only done while measuring is switched on: if {switch}")


def _switch(view: SiteView) -> str | None:
    """`if PROFILING_ENABLED:` around the site."""
    before: ast.AST = view.site.place.call
    for above in view.site.place.found.above(before):
        if isinstance(above, ast.If) and before in above.body:
            name = dotted(above.test)
            parts = set(words(name))
            if parts & _MEASURING and parts & _SWITCHED:
                return name
        before = above
    return None


def _is_count(name: tuple[str, ...]) -> bool:
    """`post_metrics`, `track_login`; not `create_metric`, `track_parcel` or `generate_analytics`."""
    verb, rest = next(iter(name), ""), set(name[1:])
    if verb == "track":
        return bool(rest & (_COUNTS | _TRACKED))
    if set(name) & _ONLY_COUNTS and verb not in _MAKES:
        return True
    return bool(set(name) & (_COUNTS - {"usage", "segment", "tracking"})) and verb in _CAPTURES | _SENDS


def _is_handed_in(view: SiteView, name: tuple[str, ...]) -> bool:
    """What is posted to `/metrics` is what somebody keeps there: the thing itself."""
    counted = {each.rstrip("s") for each in name if each in _COUNTS | {"event", "events"}}
    return any(
        route.methods - {"GET", "HEAD"} and counted & {each.rstrip("s") for each in words(route.path)}
        for route, _ in view.routes
    )


RULE = Rule(
    code="TL206",
    title="counts something",
    says="background",
    weight=3,
    reason=(
        "Analytics, metrics, usage statistics: one event more or less changes no decision. Usage that is billed is no "
        "statistic (TL113)."
    ),
    bad="""
def used(customer_id: int, tokens: int) -> None:
    billing.record_usage(customer_id, tokens)
    billing.charge(customer_id, tokens)

@app.post("/ask")
def ask(customer_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(used, customer_id, 12)
""",
    good="""
def seen(page: str) -> None:
    posthog.capture("anonymous", "page", {"page": page})

@app.get("/pages/{page}")
def show(page: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(seen, page)
""",
    of_call=_counts,
    of_site=_named,
)
