"""TL312: the work outlasts the server."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.body import Call
from twolane.check.rule import Hit, Rule, SiteView, shown
from twolane.check.rules import compute, subprocess_run
from twolane.check.rules.waiting import sleeps


def _outlasts(view: SiteView) -> Iterator[Hit]:
    if not view.limits:
        return
    limit = view.limits[0]
    for body, _ in view.bodies:
        loops = body.of(ast.For, ast.While, ast.AsyncFor)
        for call in body.calls:
            in_loop = any(loop.lineno <= call.line <= (loop.end_lineno or call.line) for loop in loops)
            if _is_long(call, limit.seconds, in_loop):
                yield Hit(
                    call.line,
                    f"may outlast the server: {shown(call.node)}, and {limit.sentence} ({limit.path}:{limit.line})",
                    path=body.module.rel,
                )
                return


def _is_long(call: Call, seconds: float, in_loop: bool) -> bool:
    if sleeps(call):
        match call.args:
            case (ast.Constant(value=int(pause) | float(pause)), *_):
                return in_loop or pause >= seconds
            case _:
                return True
    return any(
        rule.of_call is not None and rule.of_call(call) is not None
        for rule in (subprocess_run.RULE, compute.RULE)
    )


RULE = Rule(
    code="TL312",
    title="work that outlasts the server",
    says="finding",
    reason=(
        "The tree itself says how long the server waits: uvicorn's and gunicorn's time-outs, a Lambda function's, API "
        "Gateway's. Work that sleeps, computes or runs a program has no such bound, and is cut off in the middle of "
        "each deploy. In Lambda nothing runs after the response at all."
    ),
    bad="""
# gunicorn.conf.py says: graceful_timeout = 30
def convert(video: str) -> None:
    subprocess.run(["ffmpeg", "-i", video])

@app.post("/videos")
def add(video: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(convert, video)
""",
    good="""
# gunicorn.conf.py says: graceful_timeout = 30
def convert(video: str) -> None:
    thumbnails.forget(video)

@app.post("/videos")
def add(video: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(convert, video)
""",
    of_site=_outlasts,
)
