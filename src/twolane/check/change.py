"""The smallest change of a site, as a unified diff: its answer, the import, the dependency, the call.

Only what is mechanical is changed: the task is a function of a module in the tree, the site stands in a handler that
takes the BackgroundTasks, and nothing that ends with the request is handed over. Edits are made in the text, at the
places that the syntax tree names, so formatting and comments stay; what would no longer parse is not offered.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from twolane.check.edits import Edits
from twolane.check.evidence import Gathered
from twolane.check.home import Home
from twolane.check.refs import Func
from twolane.check.routes import route_of
from twolane.check.rule import Rule
from twolane.check.rules.request_scoped import RULE as REQUEST_SCOPED
from twolane.check.rules.upload import RULE as UPLOAD
from twolane.check.scopes import Parameter, module_scope
from twolane.check.tree import Tree
from twolane.check.verdict import Judged, Verdict
from twolane.check.words import dotted

_ANSWERS = {"queue": "alert", "background": "ignore"}
_TASKS = frozenset(["Session", "AsyncSession", "Connection", "Request", "UploadFile", "BackgroundTasks"])


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A site whose change is sure.

    Attributes:
        line: of the site.
        call: the call of `add_task`.
        path: the file of the site.
        task: the function that becomes a task.
        verdict: which answer it gets.
        because: why.
        parameter: the BackgroundTasks that the handler takes.
    """

    line: int
    call: ast.Call
    path: str
    task: Func
    verdict: Verdict
    because: str
    parameter: ast.arg


def planned(found: Gathered, judged: Judged) -> Change | None:
    """The change of a site; None: it is not sure enough to be made by a machine."""
    site, root = found.view.site, found.view.root
    if (
        judged.verdict == "unsure"
        or site.kind != "add_task"
        or site.func is None
        or root is None
        or not judged.evidence
    ):
        return None
    parameter = _injected(found)
    if parameter is None or not _can_be_task(root.func, judged.verdict, found):
        return None
    if route_of(site.func, found.view.names.tree) is None:
        return None
    if judged.verdict == "queue" and (_speaks(REQUEST_SCOPED, found) or _speaks(UPLOAD, found)):
        return None
    because = judged.evidence[0].because
    return Change(site.line, site.place.call, site.path, root.func, judged.verdict, because, parameter)


def edited(changes: Iterable[Change], tree: Tree, home: Home, kept: Iterable[tuple[str, int]] = ()) -> Edits:
    """The edits of some changes together.

    Args:
        changes: those to make.
        tree: the code base.
        home: where `tasks` is, or will be.
        kept: the handlers (path and line of their parameter) that also add what is not changed.
    """
    edits = Edits(tree)
    wanted = list(changes)
    if wanted:
        home.settle(wanted[0].path)
    still = set(kept)
    answers: dict[tuple[str, int, int], set[Verdict]] = {}
    for change in wanted:
        answers.setdefault(change.task.key, set()).add(change.verdict)
    defined: set[tuple[str, int, int, str]] = set()
    for change in wanted:
        key = (*change.task.key, change.verdict)
        if len(answers[change.task.key]) > 1:
            name = f"{_name(change.task)}_{_ANSWERS[change.verdict]}"
            if key not in defined:
                _named_task(change, name, edits, home)
            _call_named(change, name, edits)
        elif key not in defined:
            _decorate(change, edits, home)
        defined.add(key)
        _dependency(change, edits, tree, both=(change.path, change.parameter.lineno) in still)
    if wanted:
        home.make(edits)
    return edits


def _name(task: Func) -> str:
    return "" if isinstance(task.node, ast.Lambda) else task.node.name


def _injected(found: Gathered) -> ast.arg | None:
    """The parameter of the handler that the site adds to, where it is written `name: BackgroundTasks`."""
    site = found.view.site
    target = site.place.call.func
    if not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
        return None
    scope = next(site.place.scope.functions(), None)
    for binding in scope.bindings.get(target.value.id, ()) if scope is not None else ():
        if isinstance(binding, Parameter) and binding.default is None:
            annotation = binding.arg.annotation
            if isinstance(annotation, (ast.Name, ast.Attribute)) and dotted(annotation).endswith(
                "BackgroundTasks"
            ):
                return binding.arg
    return None


def _can_be_task(task: Func, verdict: Verdict, found: Gathered) -> bool:
    if (
        isinstance(task.node, ast.Lambda)
        or not isinstance(task.scope.node, ast.Module)
        or task.node.decorator_list
    ):
        return False
    call = found.view.call
    if call is None or not isinstance(call.ref, Func) or call.ref.key != task.key:
        return False
    args = task.node.args
    if verdict == "background":
        return True
    if args.vararg is not None or args.kwarg is not None:
        return False
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return all(
        each.annotation is not None
        and dotted(each.annotation).rpartition(".")[2] not in (*_TASKS, "Any", "object")
        for each in every
    )


def _speaks(rule: Rule, found: Gathered) -> bool:
    return rule.of_site is not None and any(True for _ in rule.of_site(found.view))


def _decorate(change: Change, edits: Edits, home: Home) -> None:
    task = change.task
    tasks = home.imported(edits, task.module)
    first = task.node.lineno
    answer = _ANSWERS[change.verdict]
    edits.insert(task.module, first, f'@{tasks}.task(if_lost="{answer}", because="{change.because}")')


def _named_task(change: Change, name: str, edits: Edits, home: Home) -> None:
    """One function, two tasks: each under a name of its own, below the function."""
    task = change.task
    tasks = home.imported(edits, task.module)
    end = (task.node.end_lineno or task.node.lineno) + 1
    answer = _ANSWERS[change.verdict]
    original = _name(task)
    edits.insert(
        task.module,
        end,
        f'\n\n{name} = {tasks}.task(if_lost="{answer}", name="{name}", because="{change.because}")({original})',
    )


def _call_named(change: Change, name: str, edits: Edits) -> None:
    """The call names the task instead of its function."""
    task, original = change.task, _name(change.task)
    callee = change.call.args[0]
    site = edits.tree.modules[change.path]
    if isinstance(callee, ast.Attribute):
        end_col = callee.end_col_offset or 0
        edits.replace(site, callee.end_lineno or callee.lineno, end_col - len(callee.attr), end_col, name)
    elif isinstance(callee, ast.Name):
        edits.replace(site, callee.lineno, callee.col_offset, callee.end_col_offset or 0, name)
        if site is not task.module:
            _import_beside(site, original, name, edits)


def _import_beside(site: object, original: str, name: str, edits: Edits) -> None:
    """Import a task from where its function is imported from."""
    module = next(each for each in edits.tree.modules.values() if each is site)
    for node in ast.walk(edits.tree.syntax(module)):
        if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == original for a in node.names):
            path = "." * node.level + (node.module or "")
            edits.insert(module, node.lineno, f"{' ' * node.col_offset}from {path} import {name}")
            return


def _dependency(change: Change, edits: Edits, tree: Tree, *, both: bool) -> None:
    """The handler takes `Lanes`: instead of its BackgroundTasks, or beside it where other tasks stay."""
    module = tree.modules[change.path]
    annotation = change.parameter.annotation
    if annotation is None:
        return
    if "Lanes" not in module_scope(tree, module).bindings:
        edits.import_line(module, "from twolane import Lanes")
    if not both:
        edits.replace(
            module, annotation.lineno, annotation.col_offset, annotation.end_col_offset or 0, "Lanes"
        )
        return
    end = annotation.end_col_offset or 0
    edits.replace(module, annotation.end_lineno or annotation.lineno, end, end, ", lanes: Lanes")
    target = change.call.func
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        name = target.value
        edits.replace(module, name.lineno, name.col_offset, name.end_col_offset or 0, "lanes")
