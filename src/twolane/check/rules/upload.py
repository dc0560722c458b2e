"""TL105: the task works on what the customer has just uploaded."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.refs import Ext, Inst
from twolane.check.rule import Hit, Rule, SiteView, shown
from twolane.check.scopes import Parameter, Scope, Value

_UPLOADS = frozenset(
    [
        "fastapi.UploadFile",
        "starlette.datastructures.UploadFile",
        "fastapi.datastructures.UploadFile",
        "bytes",
    ]
)
_DEEPEST = 4


def _uploads(view: SiteView) -> Iterator[Hit]:
    site = view.site
    for node in (*site.args, *(k.value for k in site.keywords)):
        if _is_upload(node, site.place.scope, view, 0):
            yield Hit(site.line, f"gets what was uploaded with this request: {shown(node)}")
            return


def _is_upload(node: ast.expr, scope: Scope, view: SiteView, depth: int) -> bool:
    """Whether a value is an upload, or was made from one in the same function."""
    if depth > _DEEPEST:
        return False
    return any(isinstance(each, ast.Name) and _named(each.id, scope, view, depth) for each in ast.walk(node))


def _named(name: str, scope: Scope, view: SiteView, depth: int) -> bool:
    for at in scope.functions():
        for binding in at.bindings.get(name, ()):
            if isinstance(binding, Parameter):
                found = view.names.name(name, at)
                annotation = binding.arg.annotation
                written = "" if annotation is None else ast.unparse(annotation)
                if "UploadFile" in written or (
                    isinstance(found, Inst) and isinstance(found.of, Ext) and found.of.dotted in _UPLOADS
                ):
                    return True
            elif (
                isinstance(binding, Value)
                and binding.node is not None
                and not isinstance(binding.node, ast.Dict)
            ):
                return _is_upload(binding.node, at, view, depth + 1)
        if name in at.bindings:
            return False
    return False


RULE = Rule(
    code="TL105",
    title="works on an upload",
    says="queue",
    weight=3,
    reason=(
        "What a customer uploaded lives in the memory of this process, or in a temporary file of it. If the process "
        "dies the file is gone, the customer was told that it had arrived, and nobody can ask for it again."
    ),
    bad="""
def ingest(content: bytes) -> None:
    index(content)

@app.post("/documents")
async def upload(file: UploadFile, background_tasks: BackgroundTasks):
    background_tasks.add_task(ingest, await file.read())
""",
    good="""
@tasks.task(if_lost="alert", because="the customer believes that we have the file")
def ingest(content: Blob) -> None:
    with content.open() as file:
        index(file)

@app.post("/documents")
async def upload(file: UploadFile, lanes: Lanes):
    return lanes.add_task(ingest, lanes.store(file))
""",
    of_site=_uploads,
)
