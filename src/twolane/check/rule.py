"""What a rule is. Each stands in a file of its own in `rules/`; this module knows none of them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from twolane.check.body import Body, Call
from twolane.check.callers import Callers
from twolane.check.names import Names
from twolane.check.routes import Route
from twolane.check.server_limits import Limit
from twolane.check.sites import Finder, Site
from twolane.check.tree import Module, Tree

Says: TypeAlias = Literal["queue", "background", "finding"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason, at one place.

    Attributes:
        path: the file, relative to the root.
        line: the line, from 1.
        code: the rule's.
        reason: what stands there, and what follows from it.
        weight: how much it says, as its rule has it.
    """

    path: str
    line: int
    code: str
    reason: str
    weight: int = 0

    @property
    def because(self) -> str:
        """The reason as the text of a `because="..."`: without what is quoted from the code."""
        return self.reason.partition(":")[0].replace('"', "'").replace("\\", "/")


@dataclass(frozen=True, slots=True)
class Hit:
    """What a rule found: the line, the reason, and a weight where it is not the rule's own."""

    line: int
    reason: str
    weight: int | None = None
    path: str | None = None


@dataclass(eq=False)
class SiteView:
    """A site and what is around it.

    Attributes:
        site: the site.
        routes: the handlers that lead to it, with the body of each.
        root: the function that is called later, where it is known.
        call: that call as a call.
        bodies: the functions it reaches, nearest first, with their depth.
        limits: what the tree says about its servers' time-outs, the shortest first.
    """

    site: Site
    names: Names
    callers: Callers
    routes: list[tuple[Route, Body]] = field(default_factory=list[tuple[Route, Body]])
    around: Body | None = None
    root: Body | None = None
    call: Call | None = None
    bodies: list[tuple[Body, int]] = field(default_factory=list[tuple[Body, int]])
    limits: list[Limit] = field(default_factory=list[Limit])

    @property
    def module(self) -> Module:
        """The file of the site."""
        return self.site.place.module


@dataclass(eq=False)
class FileView:
    """A file of the tree, for rules about what belongs to no site."""

    tree: Tree
    module: Module
    names: Names
    finder: Finder
    sites: list[Site]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        code: `TL101`.
        title: what it finds, in a few words.
        says: which way it points; a `finding` is an anti-pattern of its own.
        reason: why, from the field; Markdown.
        bad: an example in which it speaks.
        good: the same without the fault, in which it does not.
        weight: 1 to 4; 3 decides alone.
        of_call: the reason it sees in a call of a task's body, if any.
        of_body: what it sees in a function that a task reaches.
        of_site: what it sees at the site.
        of_file: what it sees in a file.
    """

    code: str
    title: str
    says: Says
    reason: str
    bad: str
    good: str
    weight: int = 0
    of_call: Callable[[Call], str | None] | None = None
    of_body: Callable[[Body], Iterable[Hit]] | None = None
    of_site: Callable[[SiteView], Iterable[Hit]] | None = None
    of_file: Callable[[FileView], Iterable[Hit]] | None = None

    def evidence(self, hit: Hit, path: str) -> Evidence:
        """A hit as evidence."""
        weight = self.weight if hit.weight is None else hit.weight
        return Evidence(hit.path or path, hit.line, self.code, hit.reason, weight)


def shown(node: ast.AST, longest: int = 60) -> str:
    """A piece of code in one short line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
