"""TL113: the task moves money."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_MOVES = frozenset("charge refund payout pay bill withdraw".split())  # noqa: SIM905
_MONEY = frozenset(
    [
        "stripe",
        "paypal",
        "braintree",
        "adyen",
        "mollie",
        "razorpay",
        "payment",
        "payments",
        "charge",
        "refund",
        "payout",
        "invoice",
        "billing",
        "credit",
        "credits",
        "wallet",
        "balance",
        "subscription",
    ]
)
_ACTS = frozenset(
    [
        "create",
        "charge",
        "refund",
        "capture",
        "process",
        "deduct",
        "add",
        "update",
        "cancel",
        "send",
        "confirm",
        "issue",
        "record",
        "spend",
        "debit",
    ]
)


def _pays(call: Call) -> str | None:
    if call.makes or call.local:
        return None
    if call.verb in _MOVES:
        return f"moves money: {shown(call.node)}"
    if call.verb in _ACTS and (call.words | call.receiver) & _MONEY:
        return f"moves money: {shown(call.node)}"
    return None


RULE = Rule(
    code="TL113",
    title="moves money",
    says="queue",
    weight=4,
    reason=(
        "A charge, a refund, a credit: lost, a customer has paid for nothing or got something for nothing, and somebody "
        "has to find out by hand. It wants an idempotency key as well: a queue may run it twice."
    ),
    bad="""
def refund(order_id: int) -> None:
    stripe.Refund.create(charge=charge_of(order_id))

@app.post("/orders/{order_id}/refund")
def start(order_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(refund, order_id)
""",
    good="""
@tasks.task(if_lost="alert", because="it is the customer's money")
def refund(order_id: int) -> None:
    stripe.Refund.create(charge=charge_of(order_id), idempotency_key=f"refund-{order_id}")

@app.post("/orders/{order_id}/refund")
def start(order_id: int, lanes: Lanes):
    lanes.add_task(refund, order_id)
""",
    of_call=_pays,
)
