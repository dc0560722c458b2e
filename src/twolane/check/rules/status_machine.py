"""TL102: the task moves a status."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.body import Body
from twolane.check.neutral import reads_by_name
from twolane.check.rule import Hit, Rule, shown
from twolane.check.words import dotted, words

FIELDS = frozenset("status state phase stage progress outcome".split())  # noqa: SIM905
STATES = frozenset(
    [
        "queued",
        "pending",
        "scheduled",
        "running",
        "processing",
        "started",
        "starting",
        "progress",
        "uploading",
        "uploaded",
        "downloading",
        "downloaded",
        "importing",
        "exporting",
        "syncing",
        "generating",
        "building",
        "training",
        "indexing",
        "converting",
        "transcribing",
        "completed",
        "complete",
        "done",
        "finished",
        "success",
        "succeeded",
        "failed",
        "failure",
        "error",
        "cancelled",
        "canceled",
        "ready",
        "processed",
        "sent",
        "delivered",
        "embedding",
        "embedded",
        "indexed",
        "published",
        "archived",
        "syncd",
        "synced",
    ]
)
_LONGEST = 30
_MOVERS = frozenset(
    [
        "update",
        "set",
        "mark",
        "change",
        "transition",
        "fail",
        "complete",
        "finish",
        "start",
        "save",
        "patch",
        "put",
        "edit",
    ]
)
_ANSWERS = (
    "Response",
    "JSONResponse",
    "HTTPException",
    "info",
    "debug",
    "warning",
    "error",
    "exception",
    "print",
)


def moves(body: Body) -> Iterator[Hit]:
    """Where a function moves a status: an assignment, an argument of an update, an item of a job's record."""
    for node in body.of(ast.Assign, ast.Call):
        match node:
            case ast.Assign(targets=[target], value=value) if _is_field(target) and (state := _state(value)):
                yield Hit(node.lineno, f"moves {dotted(target)} to {state}")
            case ast.Call(func=func):
                hit = _moved_by(node, dotted(func))
                if hit is not None:
                    yield hit
            case _:
                continue


def _moved_by(call: ast.Call, name: str) -> Hit | None:
    last = name.rpartition(".")[2]
    if last.endswith(_ANSWERS) or last[:1].isupper():
        return None
    named = set(words(last))
    if named & FIELDS and named & _MOVERS:
        state = next(
            (found for arg in [*call.args, *(k.value for k in call.keywords)] if (found := _state(arg))), None
        )
        return Hit(call.lineno, f"moves a status{f' to {state}' if state else ''}: {shown(call)}")
    if named & {"mark", "set"} and named & STATES:
        return Hit(call.lineno, f"moves a status: {shown(call)}")
    if reads_by_name(last):
        return None  # `get_runs(status="done")` asks for those
    for keyword in call.keywords:
        if keyword.arg and set(words(keyword.arg)) & FIELDS and (state := _state(keyword.value)):
            return Hit(call.lineno, f"moves {keyword.arg} to {state}: {shown(call)}")
    if named & _MOVERS or last in (
        "execute",
        "update_one",
        "find_one_and_update",
        "hset",
        "update",
        "values",
    ):
        for arg in [*call.args, *(k.value for k in call.keywords)]:
            if (state := _in_dict(arg)) is not None:
                return Hit(call.lineno, f"moves a status to {state}: {shown(call)}")
    return None


def _is_field(target: ast.expr) -> bool:
    match target:
        case ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return bool(set(words(name)) & FIELDS) or bool(
                words(name)[:1] == ("is",) and set(words(name)) & STATES
            )
        case _:
            return False


def _state(value: ast.expr) -> str | None:
    match value:
        case ast.Constant(value=str(text)) if len(text) <= _LONGEST:
            name = text
        case ast.Attribute(value=ast.Attribute(attr=name), attr="value"):
            pass
        case ast.Attribute(attr=name):
            pass
        case ast.IfExp(body=body, orelse=orelse):
            return _state(body) or _state(orelse)
        case _:
            return None
    return name if set(words(name)) & STATES else None


def _in_dict(node: ast.expr) -> str | None:
    for each in ast.walk(node):
        if isinstance(each, ast.Dict):
            for key, value in zip(each.keys, each.values, strict=True):
                if (
                    isinstance(key, ast.Constant)
                    and isinstance(key.value, str)
                    and set(words(key.value)) & FIELDS
                ):
                    state = _state(value)
                    if state is not None:
                        return state
    return None


RULE = Rule(
    code="TL102",
    title="moves a status that somebody waits for",
    says="queue",
    weight=4,
    reason=(
        "A status field that the task moves from queued or running to completed or failed says that somebody looks at "
        "it. If the process dies in between, the row says `running` for ever, and often the endpoint refuses a second "
        "try because of it. Of all signs this one is the surest: in 32 public code bases it is in 23 of 110 tasks "
        "that must not be lost, and in 1 of 54 that may."
    ),
    bad="""
def transcribe(job_id: str) -> None:
    job = jobs.find(job_id)
    job.status = "processing"
    job.text = listen(job.audio)
    job.status = "completed"

@app.post("/jobs/{job_id}")
def start(job_id: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(transcribe, job_id)
""",
    good="""
@tasks.task(if_lost="alert", because="the job would stay in processing for ever")
def transcribe(ctx: TaskContext, job_id: str) -> None:
    job = jobs.find(job_id)
    job.text = listen(job.audio)
    job.status = "completed"

@app.post("/jobs/{job_id}")
def start(job_id: str, lanes: Lanes):
    return lanes.add_task(transcribe, job_id)
""",
    of_body=moves,
)
