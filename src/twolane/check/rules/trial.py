"""TL211: somebody tries something out and watches."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.words import words

_PATHS = frozenset(["test", "ping", "try"])
_HANDLERS = frozenset(["test", "ping"])
"""Not `try`: in the name of a function it says that an error is caught, and nothing of who asked for it."""


def _tries(view: SiteView) -> Iterator[Hit]:
    for route, _ in view.routes:
        path = route.path.rpartition("/")[2]
        if words(path)[:1] and words(path)[0] in _PATHS:
            yield Hit(view.site.line, f"somebody tries it out and watches whether it arrives ({route.path})")
            return
        if words(route.func.name)[:1] and words(route.func.name)[0] in _HANDLERS:
            yield Hit(
                view.site.line, f"somebody tries it out and watches whether it arrives ({route.func.name})"
            )
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
