"""TL211: somebody tries something out and watches."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.words import words

_TRIES = frozenset(["test", "ping", "try"])


def _tries(view: SiteView) -> Iterator[Hit]:
    names = [] if view.site.func is None else [view.site.func.name]
    names += [route.path.rpartition("/")[2] for route, _ in view.routes]
    if any(words(name)[:1] and words(name)[0] in _TRIES for name in names):
        yield Hit(view.site.line, f"somebody tries it out and watches whether it arrives ({names[0]})")


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
