"""Follow a site's callee inside the tree, to depth 3, and let the rules look at what it reaches."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import logging
import pathlib
import socket
import subprocess
import threading
import types
from collections import deque
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field

from twolane.check.body import Body, Call
from twolane.check.callers import Callers
from twolane.check.names import Names
from twolane.check.neutral import is_neutral, reads_by_name
from twolane.check.places import unit_scope
from twolane.check.refs import Cls, Func, Ref
from twolane.check.routes import Route, func_of, route_of
from twolane.check.rule import Evidence, Rule, SiteView, shown
from twolane.check.rules import EVIDENCE
from twolane.check.rules.mail import sends_mail
from twolane.check.scopes import Value, child, module_scope
from twolane.check.server_limits import Limit
from twolane.check.sites import Site
from twolane.check.words import dotted

DEEPEST = 3
"""Calls that are followed, one inside the other: a fourth step finds 3 % more."""
MOST_BODIES = 60
MOST_OVERRIDES = 20
"""Files that are looked through for a method that takes another's place."""
_BY_NAME = frozenset(["TL203", "TL204", "TL206", "TL210"])
"""Rules that take a function of the tree at its word: nothing in a cache's own code says that it is one."""
_OF_CALLS = tuple(rule for rule in EVIDENCE if rule.of_call is not None)
_GENERAL = frozenset(
    "run start main handle process execute call update send delete close open stop".split()  # noqa: SIM905
) | {
    name
    for kind in (
        dict, list, set, str, bytes, io.TextIOWrapper, io.BytesIO, socket.socket, pathlib.Path, subprocess.Popen, logging.Logger,
        asyncio.Event, asyncio.Lock, asyncio.Queue, asyncio.Task, asyncio.StreamWriter, threading.Event, threading.Thread,
        futures.Executor, futures.Future, contextlib.AsyncExitStack, types.AsyncGeneratorType, types.CoroutineType,
    )
    for name in dir(kind)
}  # fmt: skip
"""What things of Python have too: that only one class of a tree has it tells nothing."""


@dataclass(eq=False)
class Gathered:
    """What was found about one site.

    Attributes:
        view: the site, its handlers, and the functions it reaches.
        body: evidence in what the task does.
        site: evidence at the site.
        unknown: calls that nobody can follow from the code.
        stub: the task does nothing yet.
    """

    view: SiteView
    body: list[tuple[Rule, Evidence]] = field(default_factory=list[tuple[Rule, Evidence]])
    site: list[tuple[Rule, Evidence]] = field(default_factory=list[tuple[Rule, Evidence]])
    unknown: list[Evidence] = field(default_factory=list[Evidence])
    stub: bool = False


class Gatherer:
    """Gathers evidence, site by site."""

    def __init__(self, names: Names, callers: Callers, limits: list[Limit] | None = None) -> None:
        self.names = names
        self.callers = callers
        self.limits = limits or []
        self._bodies: dict[tuple[str, int, int], Body] = {}
        self._seen: dict[Body, list[tuple[Rule, Evidence]]] = {}
        self._working: dict[tuple[str, int, int], bool] = {}
        self._claims: dict[Call, tuple[Rule, Evidence] | None] = {}

    def forget(self) -> None:
        """Let go of the bodies that are remembered: each holds the syntax tree of its module."""
        self._bodies.clear()
        self._seen.clear()
        self._claims.clear()

    def gather(self, site: Site) -> Gathered:
        """All evidence about a site."""
        scope = site.place.scope
        call = Call(site.place.call, site.callee, site.args, site.keywords, scope, self.names)
        view = SiteView(site, self.names, self.callers, call=call, limits=self.limits)
        view.routes = [(route, self._body(route.func)) for route in self._routes(site)]
        view.around = None if site.func is None else self._body(site.func)
        found = Gathered(view)
        roots = list({root.key: root for root in self._roots(site, call)}.values())
        if roots:
            view.root = self._body(roots[0])
            found.stub = view.root.is_stub
        self._follow(roots, found)
        if not roots:
            self._claim(call, 0, found)
        for rule in EVIDENCE:
            if rule.of_site is not None:
                for hit in rule.of_site(view):
                    found.site.append((rule, rule.evidence(hit, site.path)))
        return found

    def _routes(self, site: Site) -> Iterator[Route]:
        if site.func is None:
            return
        for func in self.callers.around(site.func):
            route = route_of(func, self.names.tree)
            if route is not None:
                yield route
                return
        outermost = self.callers.around(site.func)[-1]
        for place in self.callers.of(outermost)[:5]:
            caller = func_of(next(place.scope.functions(), place.scope))
            if caller is not None:
                route = route_of(caller, self.names.tree)
                if route is not None:
                    yield route

    def _roots(self, site: Site, call: Call) -> Iterator[Func]:
        """What runs later: the callee, what a wrapper's callers hand over, what a wrapper is or was given."""
        yield from self._wrapped(call)
        found = self._function(call.ref)
        if found is None and (call.ref is None or site.passed):
            found = self._sole(call)
        if found is not None:
            yield found
        for given, scope in site.passed:
            other = self._function(self.names.ref(given, scope))
            if other is not None:
                yield other
        yield from call.argument_refs()

    def _wrapped(self, call: Call) -> Iterator[Func]:
        """`work = guarded(save)`, and then `add_task(work)`: the functions that a wrapper was given."""
        made: list[ast.expr] = [call.func]
        if isinstance(call.func, ast.Name):
            for scope in call.scope.functions():
                bindings = scope.bindings.get(call.func.id, ())
                made = [each.node for each in bindings if isinstance(each, Value) and each.node is not None]
                if bindings:
                    break
        for node in made:
            if isinstance(node, ast.Call):
                args, keywords = tuple(node.args), tuple(node.keywords)
                yield from Call(node, node.func, args, keywords, call.scope, self.names).argument_refs()

    def _body(self, func: Func) -> Body:
        if func.key not in self._bodies:
            self._bodies[func.key] = Body(func, self.names)
        return self._bodies[func.key]

    def _function(self, ref: Ref | None) -> Func | None:
        if isinstance(ref, Func):
            return ref
        if isinstance(ref, Cls):
            found = self.names.member(ref, "__init__")
            return found if isinstance(found, Func) else None
        return None

    def _sole(self, call: Call) -> Func | None:
        """A method of something unknown, where the tree has only one of that name."""
        name = call.name
        if name in _GENERAL or len(name) < 5 or not isinstance(call.func, ast.Attribute):  # noqa: PLR2004
            return None
        paths = self.names.tree.defining(name)
        if len(paths) != 1:
            return None
        module = self.names.tree.modules[paths[0]]
        scope = module_scope(self.names.tree, module)
        for unit in self.names.tree.named(module, name):
            if len(unit.classes) == 1:
                cls = Cls(module, unit.classes[0], scope)
                return Func(module, unit.node, child(scope, unit.classes[0]), cls)
        return None

    def _follow(self, roots: list[Func], found: Gathered) -> None:
        seen = {root.key for root in roots}
        waiting = deque((root, 0) for root in roots)
        while waiting and len(found.view.bodies) < MOST_BODIES:
            func, depth = waiting.popleft()
            body = self._body(func)
            found.view.bodies.append((body, depth))
            found.body += self._seen_in(body)
            for call in body.reached:
                for further in self._look(call, body, depth, found):
                    if further.key not in seen:
                        seen.add(further.key)
                        waiting.append((further, depth + 1))

    def _seen_in(self, body: Body) -> list[tuple[Rule, Evidence]]:
        """What the rules see in a function, once for all sites that lead to it."""
        known = self._seen.get(body)
        if known is None:
            known = self._seen[body] = [
                (rule, rule.evidence(hit, body.module.rel))
                for rule in EVIDENCE
                if rule.of_body is not None
                for hit in rule.of_body(body)
            ]
        return known

    def _look(self, call: Call, body: Body, depth: int, found: Gathered) -> Iterator[Func]:
        """Claim a call by a rule, or say which functions to follow."""
        if isinstance(call.ref, Cls):
            self._made(call, call.ref, found)
        inside = self._sole(call) if call.ref is None and not is_neutral(call) else call.ref
        if isinstance(inside, Func):
            if _is_within(inside, body.func):
                return
            if self._claimed(call, found, only=_BY_NAME) or sends_mail(call):
                return
            yield from self._instead(call, inside, depth, found)
            if _is_abstract(inside):
                self._claimed(call, found)
                return
            if depth < DEEPEST:
                yield inside
                yield from call.argument_refs()
                return
        self._claim(call, depth, found)
        if depth < DEEPEST and call.outside:
            yield from call.argument_refs()

    def _instead(self, call: Call, func: Func, depth: int, found: Gathered) -> Iterator[Func]:
        """Where other code may run in its place nothing is proven; and what any of that does counts against it."""
        others = self._others(func)
        if others or _is_abstract(func):
            reason = f"which code this is depends on the object: {shown(call.func)}"
            found.unknown.append(Evidence(call.module.rel, call.line, "TL000", reason))
        if depth < DEEPEST:
            yield from others

    def _made(self, call: Call, cls: Cls, found: Gathered) -> None:
        """An object is made, which is no work; but one whose making has effects proves nothing."""
        if cls.key not in self._working:
            init = self._function(cls)
            self._working[cls.key] = init is not None and any(map(_does, self._body(init).reached))
        if self._working[cls.key]:
            reason = f"making this object does more than make it: {shown(call.func)}"
            found.unknown.append(Evidence(call.module.rel, call.line, "TL000", reason))

    def _others(self, func: Func) -> list[Func]:
        """The methods of classes below its own that may run in its place."""
        tree = self.names.tree
        paths = dict.fromkeys(tree.defining(func.name))
        if func.owner is None or func.name.startswith("__") or len(paths) > MOST_OVERRIDES:
            return []
        base = func.owner.node.name
        others: list[Func] = []
        for path in paths:
            module = tree.modules[path]
            for unit in tree.named(module, func.name):
                if unit.classes and any(
                    dotted(each).rpartition(".")[2] == base for each in unit.classes[-1].bases
                ):
                    scope = unit_scope(tree, unit)
                    owner = Cls(module, unit.classes[-1], scope.parent or scope)
                    others.append(Func(module, unit.node, scope, owner))
        return others

    def _claim(self, call: Call, depth: int, found: Gathered) -> None:
        if sends_mail(call) or self._claimed(call, found):
            return
        if isinstance(call.ref, Func) and depth >= DEEPEST and reads_by_name(call.name):
            return
        if not is_neutral(call):
            reason = f"cannot be followed from here: {shown(call.func)}"
            found.unknown.append(Evidence(call.module.rel, call.line, "TL000", reason))

    def _claimed(self, call: Call, found: Gathered, only: frozenset[str] | None = None) -> bool:
        claim = _claim_of(call, only) if only is not None else self._claim_by_any(call)
        if claim is not None:
            found.body.append(claim)
        return claim is not None

    def _claim_by_any(self, call: Call) -> tuple[Rule, Evidence] | None:
        if call not in self._claims:
            self._claims[call] = _claim_of(call)
        return self._claims[call]


def _claim_of(call: Call, only: frozenset[str] | None = None) -> tuple[Rule, Evidence] | None:
    """The first rule that claims a call, and what it says of it."""
    for rule in _OF_CALLS:
        if only is not None and rule.code not in only:
            continue
        assert rule.of_call is not None  # noqa: S101  (see _OF_CALLS)
        reason = rule.of_call(call)
        if reason is not None:
            return rule, Evidence(call.module.rel, call.line, rule.code, reason, rule.weight)
    return None


def _does(call: Call) -> bool:
    """Whether a call does what somebody could miss."""
    return any(rule.says == "queue" and rule.of_call is not None and rule.of_call(call) for rule in _OF_CALLS)


def _is_abstract(func: Func) -> bool:
    """Whether another class has the code: an abstract method, one that only raises, or a hook that only answers."""
    if isinstance(func.node, ast.Lambda) or func.owner is None:
        return False
    if any(dotted(each).endswith("abstractmethod") for each in func.node.decorator_list):
        return True
    body = [e for e in func.node.body if not (isinstance(e, ast.Expr) and isinstance(e.value, ast.Constant))]
    return all(isinstance(each, (ast.Pass, ast.Raise)) or _answers(each) for each in body)


def _answers(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Return) and (
        statement.value is None or isinstance(statement.value, ast.Constant)
    )


def _is_within(inner: Func, outer: Func) -> bool:
    """Whether a function is defined in another, whose body it is part of."""
    start, end = outer.node.lineno, outer.node.end_lineno or outer.node.lineno
    return inner.module is outer.module and start < inner.node.lineno <= end
