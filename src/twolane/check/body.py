"""What a function does, as the rules look at it: its calls, what it assigns, what it raises."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TypeVar

from twolane.check.names import Names
from twolane.check.refs import Cls, Ext, Func, Inst, Ref
from twolane.check.scopes import SCOPED, Scope, child
from twolane.check.tree import Module
from twolane.check.units import below
from twolane.check.words import constants, dotted, words

_Node = TypeVar("_Node", bound=ast.AST)


class Call:
    """One call in a function, or the call that a site makes later.

    Attributes:
        node: where it stands.
        func: what is called.
        args: what it gets by position.
        keywords: what it gets by name.
        scope: the scope around it.
    """

    def __init__(
        self,
        node: ast.expr,
        func: ast.expr,
        args: tuple[ast.expr, ...],
        keywords: tuple[ast.keyword, ...],
        scope: Scope,
        names: Names,
    ) -> None:
        self.node = node
        self.func = func
        self.args = args
        self.keywords = keywords
        self.scope = scope
        self._names = names

    @property
    def module(self) -> Module:
        """The file it stands in."""
        return self.scope.module

    @property
    def line(self) -> int:
        """The line it begins at."""
        return self.node.lineno

    @cached_property
    def ref(self) -> Ref | None:
        """What is called."""
        found = self._names.ref(self.func, self.scope)
        return None if isinstance(found, Ext) and ".Depends." in found.dotted else found

    @cached_property
    def outside(self) -> str:
        """The dotted name of what is called, where it is known to be outside of the tree; else empty."""
        return self.ref.dotted if isinstance(self.ref, Ext) else ""

    @cached_property
    def text(self) -> str:
        """What is called, as it is written, as a dotted path."""
        return dotted(self.func)

    @cached_property
    def name(self) -> str:
        """The last part of what is called."""
        return self.text.removesuffix("()").rpartition(".")[2]

    @cached_property
    def verb(self) -> str:
        """The first word of that part."""
        return next(iter(words(self.name)), "")

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of the name, and of the class that the method belongs to."""
        return frozenset(words(self.name))

    @cached_property
    def receiver(self) -> frozenset[str]:
        """The words of what the method is called on, its known class included."""
        before = self.text.rpartition(".")[0]
        known = self.outside.rpartition(".")[0]
        if isinstance(self.ref, Func) and self.ref.owner is not None:
            known = self.ref.owner.node.name
        return frozenset([*words(before), *words(known)])

    @cached_property
    def strings(self) -> list[str]:
        """The strings written out in its arguments."""
        return [each for node in (*self.args, *(k.value for k in self.keywords)) for each in constants(node)]

    @cached_property
    def local(self) -> str:
        """The type of what the method is called on where it is a plain dict, list, set or str; else empty."""
        if isinstance(self.func, ast.Attribute):
            of = self._names.ref(self.func.value, self.scope)
            if (
                isinstance(of, Inst)
                and isinstance(of.of, Ext)
                and of.of.dotted in ("dict", "list", "set", "str")
            ):
                return of.of.dotted
        return ""

    @property
    def makes(self) -> bool:
        """Whether this only makes an object of a class."""
        return isinstance(self.ref, Cls) or (self.name[:1].isupper() and not isinstance(self.ref, Func))

    def argument_refs(self) -> Iterator[Func]:
        """The functions of the tree that it is given: a wrapper calls them."""
        for node in (*self.args, *(k.value for k in self.keywords)):
            if isinstance(node, (ast.Name, ast.Attribute, ast.Lambda)):
                found = self._names.ref(node, self.scope)
                if isinstance(found, Func):
                    yield found


_RUNNERS = {
    "asyncio.to_thread": 0,
    "starlette.concurrency.run_in_threadpool": 0,
    "fastapi.concurrency.run_in_threadpool": 0,
    "asgiref.sync.sync_to_async": 0,
    "anyio.to_thread.run_sync": 0,
    "functools.partial": 0,
}
"""What calls its argument, and which: `asyncio.to_thread(server.sendmail, ...)` is a call of `server.sendmail`."""


@dataclass(eq=False)
class Body:
    """The inside of a function of the tree."""

    func: Func
    names: Names

    @property
    def module(self) -> Module:
        """The file it stands in."""
        return self.func.module

    @cached_property
    def nodes(self) -> list[tuple[ast.AST, Scope]]:
        """All nodes inside, functions in it included, each with its scope."""
        found: list[tuple[ast.AST, Scope]] = []
        node = self.func.node
        start = child(self.func.scope, node)
        inside = [node.body] if isinstance(node, ast.Lambda) else node.body
        stack: list[tuple[ast.AST, Scope]] = [(each, start) for each in reversed(inside)]
        while stack:
            at, scope = stack.pop()
            found.append((at, scope))
            inner = child(scope, at) if isinstance(at, SCOPED) else scope
            stack += [(each, inner) for each in reversed(below(at))]
        return found

    @cached_property
    def _by_kind(self) -> dict[type[ast.AST], list[tuple[int, ast.AST]]]:
        """The nodes inside by their kind, with their place in the order of all: many rules ask for a few kinds."""
        found: dict[type[ast.AST], list[tuple[int, ast.AST]]] = {}
        for index, (node, _) in enumerate(self.nodes):
            found.setdefault(type(node), []).append((index, node))
        return found

    def of(self, *kinds: type[_Node]) -> list[_Node]:
        """The nodes inside of some kinds, in order."""
        found = [each for kind in kinds for each in self._by_kind.get(kind, ())]
        if len(kinds) > 1:
            found.sort(key=itemgetter(0))
        return [node for _, node in found if isinstance(node, kinds)]

    @cached_property
    def calls(self) -> list[Call]:
        """The calls inside."""
        found: list[Call] = []
        for index, node in self._by_kind.get(ast.Call, ()):
            assert isinstance(node, ast.Call)  # noqa: S101  (see _by_kind)
            scope = self.nodes[index][1]
            found.append(Call(node, node.func, tuple(node.args), tuple(node.keywords), scope, self.names))
        return found

    @cached_property
    def reached(self) -> list[Call]:
        """The calls inside, and those that a thread or a pool makes of what it is handed."""
        return [
            *self.calls,
            *(each for call in self.calls if (each := _handed(call, self.names)) is not None),
        ]

    @cached_property
    def docstring(self) -> str:
        """What it says of itself."""
        return "" if isinstance(self.func.node, ast.Lambda) else (ast.get_docstring(self.func.node) or "")

    @property
    def is_stub(self) -> bool:
        """Whether nothing is written in it yet."""
        if isinstance(self.func.node, ast.Lambda):
            return False
        return all(
            isinstance(each, ast.Pass)
            or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
            or (isinstance(each, ast.Raise) and "NotImplemented" in ast.unparse(each))
            or (isinstance(each, ast.Return) and (each.value is None or isinstance(each.value, ast.Constant)))
            for each in self.func.node.body
        )


def _handed(call: Call, names: Names) -> Call | None:
    """What a call has called elsewhere: in a thread, in a pool."""
    index = _RUNNERS.get(call.outside)
    if index is None and call.name == "run_in_executor":
        index = 1
    if index is not None and len(call.args) > index:
        func, rest = call.args[index], call.args[index + 1 :]
    elif call.outside in ("threading.Thread", "threading.Timer", "multiprocessing.Process"):
        target = next((k.value for k in call.keywords if k.arg in ("target", "function")), None)
        if target is None:
            return None
        func, rest = target, ()
    else:
        return None
    if not isinstance(func, (ast.Name, ast.Attribute)):
        return None  # a lambda's inside is part of this function; the result of a call was seen
    return Call(call.node, func, rest, call.keywords, call.scope, names)
