"""TL307: a response with tasks of its own, beside injected ones."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.scopes import Parameter


def _beside(view: SiteView) -> Iterator[Hit]:
    site = view.site
    target = site.place.call.func
    if site.kind != "add_task" or view.around is None or not isinstance(target, ast.Attribute):
        return
    injected = target.value
    if not isinstance(injected, ast.Name) or not _is_parameter(injected.id, view):
        return
    for call in view.around.calls:
        for keyword in call.keywords:
            if keyword.arg != "background" or (
                isinstance(keyword.value, ast.Constant) and keyword.value.value is None
            ):
                continue
            if not any(
                isinstance(each, ast.Name) and each.id == injected.id for each in ast.walk(keyword.value)
            ):
                yield Hit(
                    call.line,
                    f"this response has a background of its own: what was added to `{injected.id}` is dropped",
                )
                return


def _is_parameter(name: str, view: SiteView) -> bool:
    return any(
        isinstance(binding, Parameter)
        for scope in view.site.place.scope.functions()
        for binding in scope.bindings.get(name, ())
    )


RULE = Rule(
    code="TL307",
    title="a response with its own background beside injected tasks",
    says="finding",
    reason=(
        "A response has one `background`. Where the endpoint returns a response that brings its own, FastAPI leaves that "
        "one, and what was added to the injected `BackgroundTasks` never runs. Nothing is logged."
    ),
    bad="""
@app.get("/file")
def file(background_tasks: BackgroundTasks):
    background_tasks.add_task(print, "downloaded")
    return FileResponse("a.txt", background=BackgroundTask(os.remove, "a.txt"))
""",
    good="""
@app.get("/file")
def file(background_tasks: BackgroundTasks):
    background_tasks.add_task(print, "downloaded")
    background_tasks.add_task(os.remove, "a.txt")
    return FileResponse("a.txt")
""",
    of_site=_beside,
)
