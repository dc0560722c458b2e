"""Why a machine does not change a site, and what to do by hand: one sentence each, the nearest reason first."""

from __future__ import annotations

import ast

from twolane.check.evidence import Gathered
from twolane.check.refs import Func
from twolane.check.routes import route_of
from twolane.check.rule import Rule, shown
from twolane.check.rules.request_scoped import RULE as REQUEST_SCOPED
from twolane.check.rules.upload import RULE as UPLOAD
from twolane.check.scopes import Parameter, Scope
from twolane.check.verdict import Verdict
from twolane.check.words import dotted

AWAITED = frozenset(["add_task", "create_task", "ensure_future"])
"""Ways to start work that `await tasks.send(...)` can stand for."""
_OF_REQUEST = frozenset(["Session", "AsyncSession", "Connection", "Request", "UploadFile", "BackgroundTasks"])


def why_not(found: Gathered, verdict: Verdict) -> str | None:
    """Why there is no mechanical change of a site; None: there is one."""
    return _of_task(found, verdict) or _of_arguments(found, verdict) or _of_site(found)


def injected(found: Gathered) -> ast.arg | None:
    """The parameter of the handler that the site adds to, where it is written `name: BackgroundTasks`."""
    site = found.view.site
    target = site.place.call.func
    scope = next(site.place.scope.functions(), None)
    if (
        site.kind != "add_task"
        or site.func is None
        or scope is None
        or not isinstance(target, ast.Attribute)
        or not isinstance(target.value, ast.Name)
        or route_of(site.func, found.view.names.tree) is None
    ):
        return None
    for binding in scope.bindings.get(target.value.id, ()):
        if isinstance(binding, Parameter) and binding.default is None:
            annotation = binding.arg.annotation
            if isinstance(annotation, (ast.Name, ast.Attribute)) and dotted(annotation).endswith(
                "BackgroundTasks"
            ):
                return binding.arg
    return None


def _of_task(found: Gathered, verdict: Verdict) -> str | None:
    """What is called cannot be a task as it is."""
    site, root, call = found.view.site, found.view.root, found.view.call
    if isinstance(site.callee, ast.Lambda):
        return "a message cannot name a lambda: write a function of the module, and make that the task"
    if root is None:
        return f"the code of {site.called} is not in this tree: call it in a function of yours, and make that the task"
    task = root.func
    if call is None or not isinstance(call.ref, Func) or call.ref.key != task.key:
        return f"{site.called} is not itself the work, {task.name} is: hand that over, and make it the task"
    if isinstance(task.scope.node, ast.ClassDef):
        return f"{task.name} is a method: write a function of the module that makes its object and calls it, and make that the task"
    if isinstance(task.node, ast.Lambda) or not isinstance(task.scope.node, ast.Module):
        return f"{task.name} stands in another function: move it to its module, and hand over by name what it uses"
    if task.node.decorator_list:
        decorator = shown(task.node.decorator_list[0], 40)
        return f"{task.name} has a decorator, @{decorator}: say yourself which of the two is to be outside"
    return _of_signature(task, verdict)


def _of_signature(task: Func, verdict: Verdict) -> str | None:
    if verdict == "background":
        return None  # whatever Python holds
    args = task.node.args
    if args.vararg is not None or args.kwarg is not None:
        return f"{task.name} takes any arguments: a message is validated, so name them and give each a type"
    for each in (*args.posonlyargs, *args.args, *args.kwonlyargs):
        if each.annotation is None:
            return f"{each.arg} of {task.name} has no type: a message is validated, so give it one that JSON can carry"
        kind = dotted(each.annotation).rpartition(".")[2]
        if kind in _OF_REQUEST:
            return f"{each.arg} of {task.name} is a {kind}, which no message carries: hand over an id, and open it in the task"
        if kind in ("Any", "object"):
            return f"{each.arg} of {task.name} is {kind}: a message is validated, so give it a type that JSON can carry"
    return None


def _of_arguments(found: Gathered, verdict: Verdict) -> str | None:
    if verdict == "background":
        return None
    if _speaks(REQUEST_SCOPED, found):
        return "it gets what ends with the request: hand over an id, and let the task open its own, by `Depends` as an endpoint does"
    if _speaks(UPLOAD, found):
        return "it gets what was uploaded: hand over `lanes.store(file)`, and let the task take a `Blob`"
    return None


def _of_site(found: Gathered) -> str | None:
    """The place where the work is started."""
    site = found.view.site
    if injected(found) is not None:
        return None
    if site.kind == "BackgroundTask":
        return "it hangs on a response: take `lanes: Lanes` in the handler, and `lanes.add_task(...)` there instead of `background=`"
    if site.kind not in AWAITED:
        return (
            f"a {site.kind} has no lane: take `lanes: Lanes` in the handler, and `lanes.add_task(...)` there"
        )
    scope: Scope | None = next(site.place.scope.functions(), None)
    if scope is None or not isinstance(scope.node, ast.AsyncFunctionDef):
        return "it stands in a function that cannot await: take `lanes: Lanes` in the handler, and hand `lanes` down to here"
    if not isinstance(site.place.found.parents.get(id(site.place.call)), ast.Expr):
        return "the task object is kept here: drop what is done with it, and `await tasks.send(...)`"
    call = site.place.call
    given = call.args[0] if call.args else None
    if given is None or (site.kind != "add_task" and (len(call.args) > 1 or call.keywords)):
        return (
            "the call has options of its own: write `await tasks.send(...)` with the task and its arguments"
        )
    started = given.func if isinstance(given, ast.Call) and site.kind != "add_task" else call.func
    if site.kind != "add_task" and started is not site.callee:
        return (
            "the coroutine is made elsewhere: write `await tasks.send(...)` with the task and its arguments"
        )
    if call.lineno != (started.end_lineno or call.lineno):
        return (
            "the call begins on several lines: write `await tasks.send(...)` with the task and its arguments"
        )
    return None


def _speaks(rule: Rule, found: Gathered) -> bool:
    return rule.of_site is not None and any(True for _ in rule.of_site(found.view))
