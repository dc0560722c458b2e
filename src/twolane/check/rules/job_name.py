"""TL115: the name says that this is a job."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.words import dotted, words

_JOBS = frozenset(
    [
        "process",
        "import",
        "export",
        "ingest",
        "sync",
        "synchronize",
        "train",
        "generate",
        "build",
        "convert",
        "transcode",
        "transcribe",
        "render",
        "crawl",
        "scrape",
        "migrate",
        "deploy",
        "install",
        "backup",
        "restore",
        "provision",
        "download",
        "upload",
        "index",
        "reindex",
        "vectorize",
        "backtest",
        "analyze",
        "analyse",
        "execute",
        "evaluate",
        "extract",
        "summarize",
        "classify",
        "publish",
        "submit",
        "calculate",
        "recalculate",
        "enrich",
        "parse",
        "run",
        "create",
        "update",
        "delete",
        "save",
        "store",
        "insert",
        "add",
        "register",
        "approve",
        "reject",
        "assign",
        "schedule",
    ]
)
_HARMLESS = frozenset("cache log stats metrics temp tmp trace telemetry analytics cleanup clean".split())  # noqa: SIM905


def _named(view: SiteView) -> Iterator[Hit]:
    name = view.root.func.name if view.root is not None else dotted(view.site.callee).rpartition(".")[2]
    told = [
        word
        for word in words(name)
        if word
        not in ("do", "async", "bg", "background", "task", "job", "safe", "perform", "handle", "start")
    ]
    if told and told[0] in _JOBS and not set(told) & _HARMLESS:
        line = view.root.func.node.lineno if view.root is not None else view.site.line
        path = view.root.module.rel if view.root is not None else view.site.path
        yield Hit(line, f"its name says that it is a job with a result: {name}", path=path)


RULE = Rule(
    code="TL115",
    title="is a job by its name",
    says="queue",
    weight=1,
    reason=(
        "Authors name things well: `import_...`, `process_...`, `sync_...` is work with a result. A name alone decides "
        "nothing, but beside other evidence it tells a job from a chore."
    ),
    bad="""
def import_customers(path: str) -> None:
    for line in lines(path):
        accept(line)

@app.post("/import", status_code=202)
def start(path: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(import_customers, path)
""",
    good="""
@tasks.task(if_lost="alert", because="a half-done import is worse than none")
def import_customers(path: str) -> None:
    for line in lines(path):
        accept(line)

@app.post("/import", status_code=202)
def start(path: str, lanes: Lanes):
    return lanes.add_task(import_customers, path)
""",
    of_site=_named,
)
