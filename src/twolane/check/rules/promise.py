"""TL107: the answer promises something."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from twolane.check.body import Body
from twolane.check.rule import Hit, Rule, SiteView, shown
from twolane.check.words import constants, dotted, words

_PROMISE = re.compile(
    r"\b(queued|started|scheduled|initiated|triggered|in the background|asynchronously|check back|"
    r"will be|we will|is being|are being|has been sent|have been sent|email sent|mail sent|in progress|enqueued|"
    r"processing|accepted|submitted|sending)\b",
    re.IGNORECASE,
)
_LONGEST = 200
_IDS = frozenset("job task report import export run batch execution operation request upload process".split())  # noqa: SIM905


def _promises(view: SiteView) -> Iterator[Hit]:
    for route, body in view.routes:
        path = body.module.rel
        if "202" in route.status:
            yield Hit(body.func.node.lineno, "answers 202: accepted, and to be done later", 3, path)
            return
        here = view.site.func is not None and body.func.key == view.site.func.key
        hit = next(_returned(body, view.site.line if here else 0), None)
        if hit is not None:
            yield Hit(hit.line, hit.reason, hit.weight, path)
            return
    if view.around is not None and not view.routes:
        yield from list(_returned(view.around, view.site.line))[:1]


def _returned(body: Body, after: int) -> Iterator[Hit]:
    """What the answers behind a line promise: those before it are given without the task."""
    for node in body.of(ast.Return):
        if node.value is None or node.lineno < after:
            continue
        if any("202" in ast.unparse(k.value) for k in _keywords(node.value) if k.arg == "status_code"):
            yield Hit(node.lineno, "answers 202: accepted, and to be done later", 3)
        for text in constants(node.value):
            found = _PROMISE.search(text)
            if found and len(text) < _LONGEST:
                yield Hit(node.lineno, f'the answer promises it: "{text.strip()}"', 3)
        if (name := _ticket(node.value)) is not None:
            yield Hit(node.lineno, f"the answer hands out {name} to ask after: {shown(node.value)}", 3)


def _keywords(node: ast.expr) -> list[ast.keyword]:
    return [keyword for each in ast.walk(node) if isinstance(each, ast.Call) for keyword in each.keywords]


def _ticket(node: ast.expr) -> str | None:
    """`{"job_id": ...}`: an id of work and not of a thing."""
    names: list[str] = []
    for each in ast.walk(node):
        match each:
            case ast.Dict(keys=keys):
                names += [
                    key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
                ]
            case ast.Call(func=func, keywords=keywords) if dotted(func).rpartition(".")[2][:1].isupper():
                names += [keyword.arg for keyword in keywords if keyword.arg]
            case _:
                continue
    for name in names:
        parts = words(name)
        if len(parts) == 2 and parts[0] in _IDS and parts[1] in ("id", "uuid", "ids"):  # noqa: PLR2004
            return name
    return None


RULE = Rule(
    code="TL107",
    title="the answer promises it",
    says="queue",
    weight=3,
    reason=(
        "A 202, a `job_id` to ask after, 'your import has started', 'the email has been sent': the caller was told that "
        "the work is in good hands. If it is lost now the answer was not true, and nobody is there to correct it."
    ),
    bad="""
@app.post("/reports", status_code=202)
def report(background_tasks: BackgroundTasks):
    background_tasks.add_task(build_report)
    return {"message": "Your report will be ready soon"}

def build_report() -> None:
    crunch()
""",
    good="""
@app.post("/reports", status_code=202)
def report(lanes: Lanes):
    return lanes.add_task(build_report)

@tasks.task(if_lost="alert", because="the answer says 202")
def build_report() -> None:
    crunch()
""",
    of_site=_promises,
)
