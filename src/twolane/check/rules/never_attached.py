"""TL305: tasks that no response carries."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twolane.check.places import having
from twolane.check.refs import Ext
from twolane.check.rule import FileView, Hit, Rule
from twolane.check.sites import TASKS

_MADE = "BackgroundTasks("


def _unattached(view: FileView) -> Iterator[Hit]:
    if _MADE not in view.module.text:
        return
    for place in (p for found in having(view.tree, view.module, [_MADE]) for p in found.calls):
        ref = view.names.ref(place.call.func, place.scope) if _last(place.call) == "BackgroundTasks" else None
        if not isinstance(ref, Ext) or ref.dotted not in TASKS:
            continue
        parent = place.found.parents.get(id(place.call))
        if not isinstance(parent, ast.Assign) or not isinstance(parent.targets[0], ast.Name):
            continue
        function = next(place.scope.functions(), place.scope)
        if not _is_used(function.node, parent.targets[0].id):
            yield Hit(place.call.lineno, "no response carries these tasks: they never run")


def _last(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_used(function: ast.AST, name: str) -> bool:
    """Whether the object goes anywhere: returned, given to a call, awaited, kept."""
    for each in ast.walk(function):
        match each:
            case ast.Call(func=func, args=args, keywords=keywords):
                given = [*args, *(k.value for k in keywords)]
                if any(_is(node, name) for node in given) or _is(func, name):
                    return True
            case ast.Return(value=value) | ast.Yield(value=value) if value is not None:
                if any(_is(node, name) for node in ast.walk(value)):
                    return True
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()], value=value) if _is(value, name):
                return True
            case _:
                continue
    return False


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


RULE = Rule(
    code="TL305",
    title="tasks that no response carries",
    says="finding",
    reason=(
        "`BackgroundTasks()` made by hand runs nothing by itself: a response has to carry it, as `background=tasks`. "
        "Seen in start-up code and in helpers, where the work has simply never been done."
    ),
    bad="""
@app.post("/seed")
def seed():
    later = BackgroundTasks()
    later.add_task(fill)
    return {"ok": True}

def fill() -> None:
    load_examples()
""",
    good="""
@app.post("/seed")
def seed():
    later = BackgroundTasks()
    later.add_task(fill)
    return JSONResponse({"ok": True}, background=later)

def fill() -> None:
    load_examples()
""",
    of_file=_unattached,
)
