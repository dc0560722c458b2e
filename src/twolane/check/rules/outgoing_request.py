"""TL104: the task tells another system something."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_CLIENTS = ("requests.", "httpx.", "aiohttp.", "urllib3.", "niquests.", "aiohttp_retry.")
_CHANGES = frozenset(["post", "put", "patch", "delete"])
_NAMED = frozenset("client http httpx requests aiohttp api webhook slack discord rest session".split())  # noqa: SIM905
_CHANNELS = frozenset(
    [
        "webhook",
        "webhooks",
        "slack",
        "discord",
        "teams",
        "telegram",
        "apprise",
        "pagerduty",
        "whatsapp",
        "zapier",
    ]
)
_SENDS = frozenset("send post notify call trigger deliver fire dispatch publish".split())  # noqa: SIM905


def _request(call: Call) -> str | None:
    if call.local:
        return None
    changes = call.name in _CHANGES or (call.name == "request" and _is_change(call))
    if changes and call.outside.startswith(_CLIENTS):
        return _said(call)
    if call.name in ("post", "put", "patch") and call.receiver & _NAMED:
        return _said(call)
    if (call.words | call.receiver) & _CHANNELS and call.words & _SENDS and not call.makes:
        return _said(call)
    return None


def _is_change(call: Call) -> bool:
    return any(text.lower() in _CHANGES for text in call.strings)


def _said(call: Call) -> str:
    return f"tells another system: {shown(call.node)}"


RULE = Rule(
    code="TL104",
    title="tells another system something",
    says="queue",
    weight=3,
    reason=(
        "A POST to another system fails whenever that system is being deployed, and a task in the process tries once "
        "and forgets. The other system then never learns of the order, and the two disagree until a customer calls. "
        "Reading from another system is no such thing, and telemetry is told apart (TL206)."
    ),
    bad="""
def tell_warehouse(order_id: int) -> None:
    requests.post("https://warehouse.example.org/orders", json={"id": order_id})

@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(tell_warehouse, order_id)
""",
    good="""
@tasks.task(if_lost="alert", because="the warehouse would never ship it")
def tell_warehouse(order_id: int) -> None:
    requests.post("https://warehouse.example.org/orders", json={"id": order_id}).raise_for_status()

@app.post("/orders")
def create(order_id: int, lanes: Lanes):
    lanes.add_task(tell_warehouse, order_id)
""",
    of_call=_request,
)
