"""TL204: the task fills or empties a cache."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.body import Call
from twolane.check.rule import Hit, Rule, SiteView, shown
from twolane.check.words import dotted, words

_CACHES = frozenset("cache cached caches caching memoize lru prefetch prewarm warmup".split())  # noqa: SIM905
_FILLS = frozenset("rebuild populate fill load preload write bust drop remove prime".split())  # noqa: SIM905
_OPERATIONS = frozenset(
    [
        "set",
        "setex",
        "set_many",
        "delete",
        "delete_many",
        "delete_pattern",
        "invalidate",
        "clear",
        "refresh",
        "expire",
        "hset",
        "hdel",
        "incr",
        "pop",
        "warm",
        "flush",
        "update",
        "put",
        "store",
        "reset",
        "evict",
        "purge",
        "add",
        "save",
        "unlink",
        "flushdb",
        "touch",
        "mset",
    ]
)


def _caches(call: Call) -> str | None:
    if call.makes:
        return None
    if _is_named(words(call.name)):
        return f"is about a cache: {shown(call.node)}"
    if call.receiver & _CACHES and (call.name in _OPERATIONS or call.verb in _OPERATIONS):
        return f"is about a cache: {shown(call.node)}"
    if "redis" in call.receiver and _runs_out(call):
        return f"is about a cache, since it runs out: {shown(call.node)}"
    return None


def _runs_out(call: Call) -> bool:
    """What lies in Redis without an end is a store, and the state of somebody's job may be all that there is."""
    return call.name in ("setex", "psetex", "expire") or (
        call.verb == "set"
        and any(k.arg in ("ex", "px", "exat", "ttl", "timeout", "expire") for k in call.keywords)
    )


def _is_named(name: tuple[str, ...]) -> bool:
    """`refresh_cache`, `cache_answer`, `run_prefetch`; not `send_cached_invoices` or `flush_cache_to_database`."""
    if not set(name) & _CACHES or {"to", "get"} & set(name):
        return False
    return name[0] in _CACHES | _OPERATIONS | _FILLS or name[-1] in _CACHES


def _named(view: SiteView) -> Iterator[Hit]:
    if _is_named(words(dotted(view.site.callee).rpartition(".")[2])):
        yield Hit(view.site.line, f"fills or empties a cache, by its name: {view.site.called}")
    elif view.call is not None and view.call.receiver & _CACHES and view.call.verb in _OPERATIONS:
        yield Hit(view.site.line, f"fills or empties a cache, by what it is called on: {view.site.called}")


RULE = Rule(
    code="TL204",
    title="fills or empties a cache",
    says="background",
    weight=3,
    reason=(
        "What is missing in a cache is computed again, and what is old in it runs out. That is what makes it a cache. "
        "Rows that happen to lie in the cache's server, such as the state of a job, are no cache (TL102)."
    ),
    bad="""
def finish(order_id: int, db: Session) -> None:
    cache.delete(f"order:{order_id}")
    db.add(Shipment(order_id=order_id))
    db.commit()

@app.post("/orders/{order_id}/ship")
def ship(order_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(finish, order_id, SessionLocal())
""",
    good="""
def forget(order_id: int) -> None:
    cache.delete(f"order:{order_id}")

@app.put("/orders/{order_id}")
def change(order_id: int, background_tasks: BackgroundTasks):
    orders.change(order_id)
    background_tasks.add_task(forget, order_id)
""",
    of_call=_caches,
    of_site=_named,
)
