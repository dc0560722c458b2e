"""TL108: the request is a webhook that is acknowledged before its work is done."""

from __future__ import annotations

import re
from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.words import words

_HOOKS = frozenset("webhook webhooks hook hooks callback ipn notification notifications".split())  # noqa: SIM905
_RECEIVES = frozenset(
    [
        "receive",
        "received",
        "receiver",
        "handle",
        "handler",
        "incoming",
        "inbound",
        "process",
        "webhook",
        "webhooks",
        "hook",
        "callback",
        "on",
        "event",
        "events",
        "listen",
        "listener",
        "post",
        "endpoint",
    ]
)
_MANAGES = frozenset("test create update delete list get register rerun setup edit add remove send".split())  # noqa: SIM905
_LOGIN = frozenset("oauth oauth2 auth login google github sso saml oidc token".split())  # noqa: SIM905
_LONGEST = 40
_SIGNATURE = re.compile(r"signature|x-hub|x-github|stripe-sig|x-.*-event", re.IGNORECASE)


def _hooks(view: SiteView) -> Iterator[Hit]:
    for route, body in view.routes:
        if not route.methods & {"POST", "PUT"}:
            continue
        named = set(words(route.func.name))
        path = set(words(route.path))
        if "callback" in path | named and (path | named) & _LOGIN:
            continue  # a person comes back from a login
        if named & _MANAGES and not named & {"handle", "receive", "process"}:
            continue
        if path & _HOOKS or named & {"webhook", "webhooks", "callback"}:
            sure = 3 if named & _RECEIVES or path & _HOOKS else 2
            yield Hit(
                body.func.node.lineno,
                f"an inbound webhook ({route.path or route.func.name}) is acknowledged first: its sender does not send it again",
                sure,
                body.module.rel,
            )
            return
        if any(
            _SIGNATURE.search(text) for call in body.calls for text in call.strings if len(text) < _LONGEST
        ):
            yield Hit(
                body.func.node.lineno,
                "a signed event is acknowledged first: its sender does not send it again",
                3,
                body.module.rel,
            )
            return


RULE = Rule(
    code="TL108",
    title="acknowledges a webhook before its work is done",
    says="queue",
    weight=3,
    reason=(
        "A webhook's sender tries again until it gets a 200, and then forgets. With the 200 sent first and the work "
        "done afterwards in the process, the one party that would have tried again has been told not to."
    ),
    bad="""
@app.post("/webhooks/payments")
async def payments(request: Request, background_tasks: BackgroundTasks):
    background_tasks.add_task(handle_event, await request.json())
    return {"ok": True}

def handle_event(event: dict) -> None:
    dispatch(event)
""",
    good="""
@app.post("/webhooks/payments")
async def payments(request: Request, lanes: Lanes):
    lanes.add_task(handle_event, await request.json())
    return {"ok": True}

@tasks.task(if_lost="alert", because="the sender was told 200 and does not send it again")
def handle_event(event: dict) -> None:
    dispatch(event)
""",
    of_site=_hooks,
)
