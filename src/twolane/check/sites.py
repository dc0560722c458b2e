"""Find the places where work is started in-process behind a response. What it is called plays no part, what it is does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from twolane.check.callers import Callers
from twolane.check.files import is_test
from twolane.check.firing import fate_of, is_endless, is_streamed
from twolane.check.names import Names
from twolane.check.places import Place, having
from twolane.check.refs import Cls, Ext, Func, Inst, Ref
from twolane.check.routes import func_of
from twolane.check.scopes import Parameter, Scope, Value, statements
from twolane.check.tree import Module
from twolane.check.words import dotted

_STARTS = (
    "add_task", "BackgroundTask", "create_task", "ensure_future", "run_in_executor", "run_coroutine_threadsafe", "start_soon",
    "Thread(", "Thread as ", "Timer(", "Timer as ", "Process(", "Process as ", ".submit(",
)  # fmt: skip
"""What a place that starts work has in its text. Plain texts are found twenty times as fast as a pattern of them."""
_ALIAS = re.compile(
    r"\b(?:BackgroundTasks?|create_task|ensure_future|run_coroutine_threadsafe|Thread|Timer|Process) +as +(\w+)"
)
TASKS = frozenset(
    ["fastapi.BackgroundTasks", "fastapi.background.BackgroundTasks", "starlette.background.BackgroundTasks"]
)
TASK = frozenset(["starlette.background.BackgroundTask", "fastapi.background.BackgroundTask"])
LANES = frozenset(["twolane.Lanes", "twolane.fastapi.lanes.Lanes"])
_DEEPEST = 3
_LOOPS = frozenset(
    [
        "asyncio",
        "asyncio.get_event_loop()",
        "asyncio.get_running_loop()",
        "asyncio.new_event_loop()",
        "asyncio.AbstractEventLoop",
        "asyncio.events.AbstractEventLoop",
        "asyncio.BaseEventLoop",
        "asyncio.tasks",
    ]
)
_GROUPS = frozenset(
    ["asyncio.TaskGroup", "anyio.create_task_group()", "anyio.abc.TaskGroup", "trio.open_nursery()"]
)
_POOLS = (
    "concurrent.futures.ThreadPoolExecutor",
    "concurrent.futures.ProcessPoolExecutor",
    "concurrent.futures.Executor",
    "concurrent.futures.thread.ThreadPoolExecutor",
    "concurrent.futures.process.ProcessPoolExecutor",
)
_STARTED = {
    "threading.Thread": "Thread",
    "threading.Timer": "Timer",
    "multiprocessing.Process": "Process",
}
_NAMES = frozenset(
    [
        "add_task", "BackgroundTask", "BackgroundTasks", "create_task", "ensure_future", "run_in_executor",
        "run_coroutine_threadsafe", "start_soon", "Thread", "Timer", "Process", "submit",
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A place where work is started that nothing waits for.

    Attributes:
        place: the call.
        kind: how: `add_task`, `BackgroundTask`, `create_task`, `Thread` and so on.
        callee: what is called later.
        args: what it gets by position.
        keywords: what it gets by name.
        func: the function the site is in.
        fate: what becomes of the task object: `kept` or `dropped`.
        passed: other functions that a wrapper's callers hand over as the callee.
    """

    place: Place
    kind: str
    callee: ast.expr
    args: tuple[ast.expr, ...] = ()
    keywords: tuple[ast.keyword, ...] = ()
    func: Func | None = None
    fate: str = "kept"
    passed: tuple[tuple[ast.expr, Scope], ...] = field(default=())

    @property
    def path(self) -> str:
        """The file."""
        return self.place.module.rel

    @property
    def line(self) -> int:
        """The line the call begins at."""
        return self.place.call.lineno

    @property
    def called(self) -> str:
        """The callee as it is written, in one line."""
        return " ".join(ast.unparse(self.callee).split())


class Finder:
    """Finds sites, module by module."""

    def __init__(self, names: Names, callers: Callers, *, also_tests: bool = False) -> None:
        self.names = names
        self.callers = callers
        self.also_tests = also_tests

    def find(self, module: Module) -> list[Site]:
        """The sites of a module, in order of their lines."""
        if not may_start(module) or (is_test(module.rel) and not self.also_tests):
            return []
        made: list[Site] = []
        aliases: list[str] = _ALIAS.findall(module.text) if " as " in module.text else []
        names = _NAMES | frozenset(aliases)
        for found in having(self.names.tree, module, (*_STARTS, *aliases)):
            for place in found.calls:
                last = dotted(place.call.func).rpartition(".")[2]
                made += self._of(place, last) if last in names else ()
        return sorted(made, key=lambda site: (site.line, site.place.call.col_offset))

    def _of(self, place: Place, last: str) -> Iterator[Site]:
        call = place.call
        if last == "add_task":
            if isinstance(call.func, ast.Attribute) and self.is_tasks(call.func.value, place.scope):
                yield from self._deferred(place, "add_task")
            return
        func = self.names.ref(call.func, place.scope)
        if not isinstance(func, (Ext, Cls)):
            return
        if last == "BackgroundTask" or _is_one_of(func, TASK):
            if _is_one_of(func, TASK) or (isinstance(func, Cls) and self.names.is_a(Inst(func), TASK)):
                yield from self._deferred(place, "BackgroundTask")
            return
        if isinstance(func, Ext):
            yield from self._started(place, func.dotted)

    def is_tasks(self, node: ast.expr, scope: Scope) -> bool:
        """Whether an expression is a BackgroundTasks object, by annotation, constructor or what callers pass."""
        found = self.names.ref(node, scope)
        if found is not None:
            return self.names.is_a(found, TASKS)
        match node:
            case ast.Name(id=name):
                return self._passed_tasks(name, scope)
            case ast.Attribute(value=value, attr=attr):
                of = self.names.ref(value, scope)
                if isinstance(of, Inst) and isinstance(of.of, Cls):
                    return self._made_with_tasks(of.of, attr)
                return False
            case _:
                return False

    def _passed_tasks(self, name: str, scope: Scope, depth: int = 0) -> bool:
        """A parameter without a type is what its callers pass."""
        for each in scope.functions():
            bindings = each.bindings.get(name, [])
            if not any(isinstance(binding, Parameter) for binding in bindings):
                continue
            func = func_of(each)
            return func is not None and depth < _DEEPEST and self._given_tasks(func, name, depth)
        return False

    def _given_tasks(self, func: Func, name: str, depth: int) -> bool:
        for place in self.callers.of(func):
            given = argument(place.call, func, name)
            if given is None:
                continue
            if self.names.is_a(self.names.ref(given, place.scope), TASKS):
                return True
            if isinstance(given, ast.Name) and self._passed_tasks(given.id, place.scope, depth + 1):
                return True
        return False

    def _made_with_tasks(self, cls: Cls, attr: str) -> bool:
        """`self.bg = bg`, where the class is made with a BackgroundTasks object."""
        for method in cls.node.body:
            if not isinstance(method, ast.FunctionDef) or method.name != "__init__":
                continue
            for each in ast.walk(method):
                match each:
                    case ast.Assign(
                        targets=[ast.Attribute(value=ast.Name(id="self"), attr=found)],
                        value=ast.Name(id=name),
                    ) if found == attr:
                        init = Func(cls.module, method, cls.scope, cls)
                        return self._given_tasks(init, name, 1)
                    case _:
                        continue
        return False

    def _deferred(self, place: Place, kind: str) -> Iterator[Site]:
        call = place.call
        callee = call.args[0] if call.args else _keyword(call, "func")
        if callee is None or isinstance(callee, ast.Starred):
            return
        yield self._site(
            place, kind, callee, tuple(call.args[1:]), tuple(k for k in call.keywords if k.arg != "func")
        )

    def _started(self, place: Place, name: str) -> Iterator[Site]:
        what = _target(place.call, name)
        if what is None:
            return
        kind, callee, args, keywords = what
        fate = fate_of(place)
        if fate in ("awaited", "streamed") or is_streamed(place) or self._waits(place):
            return
        func = func_of(next(place.scope.functions(), place.scope))
        if func is None:
            return
        coroutine = (
            _local_call(callee, place.scope)
            if kind in ("create_task", "ensure_future", "run_coroutine_threadsafe")
            else None
        )
        if coroutine is not None:
            callee, args, keywords = coroutine.func, tuple(coroutine.args), tuple(coroutine.keywords)
        if isinstance(callee, ast.Name) and _is_parameter(callee.id, place.scope):
            yield from self._through(func, callee.id, kind)
            return
        if _is_kept(place) and self._serves(callee, place.scope):
            return
        if fate == "returned" or self.callers.role(func) != "request":
            return
        yield self._site(place, kind, callee, args, keywords, fate)

    def _serves(self, callee: ast.expr, scope: Scope) -> bool:
        """Whether it is a loop that goes on as long as the process: a part of the server that was started late."""
        func = self.names.ref(callee, scope)
        if not isinstance(func, Func) or isinstance(func.node, ast.Lambda):
            return False
        return any(is_endless(each) for each in statements(func.node.body))

    def _through(self, wrapper: Func, name: str, kind: str) -> Iterator[Site]:
        """A function that starts what it is given: its callers are the sites."""
        for place in self.callers.of(wrapper):
            given = argument(place.call, wrapper, name)
            caller = func_of(next(place.scope.functions(), place.scope))
            if given is None or caller is None or is_test(place.module.rel):
                continue
            if fate_of(place) == "awaited" and not wrapper.is_async:
                continue
            if is_streamed(place) or self.callers.role(caller) != "request":
                continue
            args: tuple[ast.expr, ...] = ()
            keywords: tuple[ast.keyword, ...] = ()
            started: ast.expr = given
            if isinstance(given, ast.Call):
                args, keywords = tuple(given.args), tuple(given.keywords)
                started = given.func
            yield self._site(place, kind, started, args, keywords)

    def _waits(self, place: Place) -> bool:
        """A group or a pool that this place leaves only when all is done."""
        if not isinstance(place.call.func, ast.Attribute):
            return False
        receiver = place.call.func.value
        if self._is_handed_group(receiver, place.scope):
            return True
        for above in place.found.above(place.call):
            if isinstance(above, (ast.With, ast.AsyncWith)):
                for item in above.items:
                    made = item.optional_vars
                    if (
                        isinstance(made, ast.Name)
                        and isinstance(receiver, ast.Name)
                        and made.id == receiver.id
                    ):
                        return True
        return False

    def _is_handed_group(self, node: ast.expr, scope: Scope) -> bool:
        """A group that somebody else has made waits at its end for all that was put into it."""
        found = self.names.ref(node, scope)
        if not isinstance(node, ast.Name) or not isinstance(found, Inst) or not isinstance(found.of, Ext):
            return False
        return found.of.dotted in _GROUPS and _is_parameter(node.id, scope)

    def _site(
        self,
        place: Place,
        kind: str,
        callee: ast.expr,
        args: tuple[ast.expr, ...],
        keywords: tuple[ast.keyword, ...],
        fate: str = "kept",
    ) -> Site:
        func = func_of(next(place.scope.functions(), place.scope))
        passed: tuple[tuple[ast.expr, Scope], ...] = ()
        if func is not None and isinstance(callee, ast.Name) and _is_parameter(callee.id, place.scope):
            passed = tuple(
                (given, each.scope)
                for each in self.callers.of(func)
                if (given := argument(each.call, func, callee.id)) is not None
            )
        return Site(place, kind, callee, args, keywords, func, fate, passed)


def may_start(module: Module) -> bool:
    """Whether a file can hold a site, by its text."""
    if "starts" not in module.cache:
        module.cache["starts"] = any(each in module.text for each in _STARTS)
    return module.cache["starts"] is True


def argument(call: ast.Call, func: Func, name: str) -> ast.expr | None:
    """What a call passes for a parameter."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    args = func.node.args
    positional = [each.arg for each in [*args.posonlyargs, *args.args]]
    if name not in positional:
        return None
    index = positional.index(name)
    if func.owner is not None and positional[:1] in (["self"], ["cls"]):
        index -= 1
    if 0 <= index < len(call.args) and not any(
        isinstance(each, ast.Starred) for each in call.args[: index + 1]
    ):
        return call.args[index]
    return None


def _target(
    call: ast.Call, name: str
) -> tuple[str, ast.expr, tuple[ast.expr, ...], tuple[ast.keyword, ...]] | None:
    """What a call starts: its kind, the callee, what that gets."""
    owner, _, last = name.rpartition(".")
    if last in ("create_task", "ensure_future", "run_coroutine_threadsafe") and (
        owner in _LOOPS or owner in _GROUPS
    ):
        given = call.args[0] if call.args else _keyword(call, "coro")
        if isinstance(given, ast.Call):
            return last, given.func, tuple(given.args), tuple(given.keywords)
        return None if given is None else (last, given, (), ())
    if last == "start_soon" and owner in _GROUPS and call.args:
        return last, call.args[0], tuple(call.args[1:]), ()
    if last == "run_in_executor" and owner in _LOOPS and len(call.args) > 1:
        return last, call.args[1], tuple(call.args[2:]), ()
    if last == "submit" and owner in _POOLS and call.args:
        return last, call.args[0], tuple(call.args[1:]), tuple(call.keywords)
    if name in _STARTED:
        return _thread(call, _STARTED[name])
    return None


def _thread(
    call: ast.Call, kind: str
) -> tuple[str, ast.expr, tuple[ast.expr, ...], tuple[ast.keyword, ...]] | None:
    target = _keyword(call, "function" if kind == "Timer" else "target")
    if target is None and len(call.args) > 1:
        target = call.args[1]
    if target is None:
        return None
    args = _keyword(call, "args")
    given = tuple(args.elts) if isinstance(args, (ast.Tuple, ast.List)) else ()
    return kind, target, given, ()


def _is_kept(place: Place) -> bool:
    """Whether the task object is kept on an object that outlives the request."""
    parent = place.found.parents.get(id(place.call))
    target = parent.targets[0] if isinstance(parent, ast.Assign) else parent
    return isinstance(target.value if isinstance(target, ast.Subscript) else target, ast.Attribute)


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def _is_one_of(ref: Ref, names: frozenset[str]) -> bool:
    return isinstance(ref, Ext) and ref.dotted in names


def _is_parameter(name: str, scope: Scope) -> bool:
    for each in scope.functions():
        if name in each.bindings:
            return any(isinstance(binding, Parameter) for binding in each.bindings[name])
    return False


def _local_call(node: ast.expr, scope: Scope) -> ast.Call | None:
    """`coro = f(x)` before `create_task(coro)`."""
    if isinstance(node, ast.Name):
        for each in scope.functions():
            for binding in each.bindings.get(node.id, ()):
                if isinstance(binding, Value) and isinstance(binding.node, ast.Call) and not binding.part:
                    return binding.node
    return None
