"""TL208: the author says that it may be lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView

_SAYS = re.compile(
    r"best[- ]effort|don'?t care|do not care|not critical|non[- ]critical|nice to have|"
    r"okay? to lose|may be lost|can be lost|opportunistic|no need to wait|ignore (?:failures|errors)",
    re.IGNORECASE,
)
_ABOVE = 4


def _said(view: SiteView) -> Iterator[Hit]:
    end = view.site.place.call.end_lineno or view.site.line
    for number in range(max(1, view.site.line - _ABOVE), end + 1):
        comment = view.module.line(number).partition("#")[2]
        if comment and "twolane:" not in comment and _SAYS.search(comment):
            yield Hit(number, f'the author says so: "{comment.strip()}"', 4)
            return
    if view.root is not None and (found := _SAYS.search(view.root.docstring)):
        yield Hit(
            view.root.func.node.lineno, f'its docstring says so: "{found[0]}"', path=view.root.module.rel
        )


RULE = Rule(
    code="TL208",
    title="the author says that it may be lost",
    says="background",
    weight=3,
    reason=(
        "A comment beside the call, such as 'best effort', answers the question. It is better said where a machine "
        'reads it as well: `if_lost="ignore", because="best effort"`.'
    ),
    bad="""
@app.get("/alerts")
def alerts(background_tasks: BackgroundTasks):
    # pull new ones from the providers
    background_tasks.add_task(pull, "providers")
    return stored_alerts()

def pull(source: str) -> None:
    refresh_everything(source)
""",
    good="""
@app.get("/alerts")
def alerts(background_tasks: BackgroundTasks):
    # best effort: the next request pulls again
    background_tasks.add_task(pull, "providers")
    return stored_alerts()

def pull(source: str) -> None:
    refresh_everything(source)
""",
    of_site=_said,
)
