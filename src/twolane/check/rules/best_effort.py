"""TL208: the author says that it may be lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView

_SAYS = re.compile(
    r"best[- ]effort|don'?t care|do not care|not critical|non[- ]critical|nice to have|opportunistic|"
    r"(?:fine|okay?|acceptable|harmless) (?:to lose|if (?:it|this|they|one)(?: is| are|'s)? (?:lost|fails?|dropped))",
    re.IGNORECASE,
)
_DENIES = re.compile(r"\b(?:not|no longer|never|isn'?t) (?:a )?(?:best|nice|opportunistic)", re.IGNORECASE)
_WORRIES = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|BUG)\b")
"""A worry gives no leave: "TODO: best effort until we have a queue"."""
_ABOVE = 4


def _said(view: SiteView) -> Iterator[Hit]:
    end = view.site.place.call.end_lineno or view.site.line
    for number in range(max(1, view.site.line - _ABOVE), end + 1):
        comment = view.module.line(number).partition("#")[2]
        if comment and "twolane:" not in comment and _gives_leave(comment):
            yield Hit(number, f'the author says so: "{comment.strip()}"', 4)
            return
    if (
        view.root is not None
        and (found := _SAYS.search(view.root.docstring))
        and _gives_leave(view.root.docstring)
    ):
        yield Hit(
            view.root.func.node.lineno, f'its docstring says so: "{found[0]}"', path=view.root.module.rel
        )


def _gives_leave(text: str) -> bool:
    return bool(_SAYS.search(text)) and not _DENIES.search(text) and not _WORRIES.search(text)


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
