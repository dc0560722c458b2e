"""The smallest change of a site, as a unified diff: its answer, the import, the dependency, the call.

Only what is mechanical is changed. In a handler that takes the BackgroundTasks it takes `Lanes` instead; elsewhere, in async
code, the call becomes `await tasks.send(...)`. Edits are made in the text, at the places that the syntax tree names, so
formatting and comments stay; what would no longer parse is not offered. Where there is no such change, `not_mechanical` says why.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from twolane.check.edits import Edits
from twolane.check.evidence import Gathered
from twolane.check.home import Home
from twolane.check.not_mechanical import injected, why_not
from twolane.check.refs import Func
from twolane.check.scopes import module_scope
from twolane.check.tree import Module, Tree
from twolane.check.verdict import Judged, Verdict

_ANSWERS = {"queue": "alert", "background": "ignore"}


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A site whose change is sure.

    Attributes:
        line: of the site.
        call: the call that starts the work.
        callee: what it names as the task.
        path: the file of the site.
        task: the function that becomes a task.
        verdict: which answer it gets.
        because: why.
        parameter: the BackgroundTasks that the handler takes; None: it is sent at once instead.
        taken: names that mean something else at the site.
    """

    line: int
    call: ast.Call
    callee: ast.expr
    path: str
    task: Func
    verdict: Verdict
    because: str
    parameter: ast.arg | None
    taken: frozenset[str] = frozenset()


def planned(found: Gathered, judged: Judged) -> Change | str:
    """The change of a site, or one sentence: why a machine does not make it, and what to do by hand.

    The sentence is empty where nothing is to be done before somebody has answered the question.
    """
    site, root = found.view.site, found.view.root
    if judged.verdict == "unsure" or not judged.evidence:
        return ""
    if (reason := why_not(found, judged.verdict)) is not None:
        return reason
    assert root is not None  # noqa: S101  (why_not has looked)
    taken = frozenset(name for scope in site.place.scope.functions() for name in scope.bindings)
    because = judged.evidence[0].because
    return Change(
        site.line,
        site.place.call,
        site.callee,
        site.path,
        root.func,
        judged.verdict,
        because,
        injected(found),
        taken,
    )


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
        if change.parameter is None:
            _send(change, edits, home)
        else:
            _dependency(change, change.parameter, edits, both=(change.path, change.parameter.lineno) in still)
    if wanted:
        home.make(edits)
    return edits


def _name(task: Func) -> str:
    return "" if isinstance(task.node, ast.Lambda) else task.node.name


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
    callee = change.callee
    site = edits.tree.modules[change.path]
    if isinstance(callee, ast.Attribute):
        end_col = callee.end_col_offset or 0
        edits.replace(site, callee.end_lineno or callee.lineno, end_col - len(callee.attr), end_col, name)
    elif isinstance(callee, ast.Name):
        edits.replace(site, callee.lineno, callee.col_offset, callee.end_col_offset or 0, name)
        if site is not task.module:
            _import_beside(site, original, name, edits)


def _import_beside(site: Module, original: str, name: str, edits: Edits) -> None:
    """Import a task from where its function is imported from."""
    for node in ast.walk(edits.tree.syntax(site)):
        if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == original for a in node.names):
            path = "." * node.level + (node.module or "")
            edits.insert(site, node.lineno, f"{' ' * node.col_offset}from {path} import {name}")
            return


def _send(change: Change, edits: Edits, home: Home) -> None:
    """The call sends the task at once: `x.add_task(f, 1)` and `asyncio.create_task(f(1))` are `await tasks.send(f, 1)`."""
    module = edits.tree.modules[change.path]
    tasks = home.imported(edits, module, taken=change.taken)
    call, callee = change.call, change.callee
    inner = call.args[0]
    if not isinstance(inner, ast.Call) or inner.func is not callee:
        func = call.func
        edits.replace(module, func.lineno, func.col_offset, func.end_col_offset or 0, f"await {tasks}.send")
        return
    edits.replace(module, call.lineno, call.col_offset, callee.col_offset, f"await {tasks}.send(")
    opened, closed = callee.end_col_offset or 0, inner.end_col_offset or 0
    rest = ", " if inner.args or inner.keywords else ""
    edits.replace(module, callee.end_lineno or callee.lineno, opened, opened + 1, rest)
    edits.replace(module, inner.end_lineno or inner.lineno, closed - 1, closed, "")


def _dependency(change: Change, parameter: ast.arg, edits: Edits, *, both: bool) -> None:
    """The handler takes `Lanes`: instead of its BackgroundTasks, or beside it where other tasks stay."""
    module = edits.tree.modules[change.path]
    annotation = parameter.annotation
    if annotation is None:
        return
    if "Lanes" not in module_scope(edits.tree, module).bindings:
        edits.import_line(module, "from twolane import Lanes")
    end = annotation.end_col_offset or 0
    if not both:
        edits.replace(module, annotation.lineno, annotation.col_offset, end, "Lanes")
        return
    edits.replace(module, annotation.end_lineno or annotation.lineno, end, end, ", lanes: Lanes")
    target = change.call.func
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        name = target.value
        edits.replace(module, name.lineno, name.col_offset, name.end_col_offset or 0, "lanes")
