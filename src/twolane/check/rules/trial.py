"""TL211: somebody tries something out and watches."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.words import words

_TRIES = frozenset(["test", "ping"])
"""Not `try`: in the name of a function it says that an error is caught, and nothing of who asked for it."""
_TRIED = frozenset(
    [
        "email", "mail", "smtp", "sms", "webhook", "webhooks", "hook", "notification", "notifications", "message", "connection",
        "integration", "channel", "alert", "alerts", "slack", "discord", "telegram", "send", "push", "url", "single", "all",
    ]
)  # fmt: skip
"""What is tried out. `/test-results` and `test_order` are about tests that are somebody's work."""


def _tries(view: SiteView) -> Iterator[Hit]:
    for route, _ in view.routes:
        for said, name in ((route.path, route.path.rpartition("/")[2]), (route.func.name, route.func.name)):
            first, *rest = words(name) or ("",)
            if first in _TRIES and (set(rest) & _TRIED or not rest):
                yield Hit(view.site.line, f"somebody tries it out and watches whether it arrives ({said})")
                return


RULE = Rule(
    code="TL211",
    title="somebody tries it out",
    says="background",
    weight=3,
    reason=(
        "A button that sends a test mail or a test webhook is pressed by somebody who watches. If nothing arrives, they "
        "press it again: the one who must know knows."
    ),
    bad="""
def post(url: str) -> None:
    requests.post(url, json={"event": "order"})

@app.post("/orders")
def create(url: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(post, url)
""",
    good="""
def post(url: str) -> None:
    requests.post(url, json={"event": "test"})

@app.post("/integrations/test")
def test_integration(url: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(post, url)
""",
    of_site=_tries,
)
