"""Weigh the evidence: queue, background or unsure. Pure; `unsure` is the answer wherever nothing is proven."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal, TypeAlias

from twolane.check.body import Body
from twolane.check.evidence import Gathered
from twolane.check.rule import Evidence

Verdict: TypeAlias = Literal["queue", "background", "unsure"]
ENOUGH = 3
"""The weight at which evidence decides."""
MOST_SHOWN = 6

_WRITES = frozenset(["TL101", "TL103", "TL104", "TL107", "TL109", "TL110", "TL114", "TL115"])
_TIDY = frozenset(["TL201", "TL202", "TL203"])
_EXPLAINED = {
    "TL204": _WRITES,
    "TL206": _WRITES | {"TL108"},
    "TL207": _WRITES | {"TL108", "TL105"},
    "TL210": _WRITES,
    "TL211": _WRITES,
    "TL208": _WRITES | {"TL105", "TL106", "TL111", "TL112", "TL108"},
}
"""What a harmless purpose makes harmless: a trace is a row too, a courtesy is a mail too."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and what it rests on, the strongest first."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]

    @property
    def code(self) -> str:
        """The rule that says most."""
        return self.evidence[0].code if self.evidence else "TL000"


def judge(found: Gathered) -> Judged:
    """The verdict on a site."""
    queue = [each for rule, each in (*found.body, *found.site) if rule.says == "queue"]
    harmless = [each for rule, each in (*found.body, *found.site) if rule.says == "background"]
    purposes = {rule.code for rule, _ in found.site if rule.says == "background"}
    if _is_wanted(found):
        purposes.discard("TL210")
    explained = frozenset[str]().union(*(_EXPLAINED.get(code, frozenset()) for code in purposes))
    against = [each for each in queue if each.code not in explained]
    if _is_proven(found):
        return Judged(
            "background", _strongest([each for rule, each in found.body if rule.says == "background"])
        )
    if purposes and _score(against) < ENOUGH:
        return Judged("background", _strongest([e for e in harmless if e.code in purposes]))
    if _score(against) >= ENOUGH:
        return Judged("queue", _strongest(against))
    return Judged("unsure", (*_strongest(against), *_strongest(harmless), *_why_not(found))[:MOST_SHOWN])


def _score(evidence: list[Evidence]) -> int:
    """Each rule counts once, with the most it says."""
    best: dict[str, int] = {}
    for each in evidence:
        best[each.code] = max(best.get(each.code, 0), each.weight)
    return sum(best.values())


def _is_proven(found: Gathered) -> bool:
    """Positive proof: everything that the task reaches is harmless."""
    codes = {rule.code for rule, _ in found.body}
    if "TL201" in codes and codes <= {"TL106", *_TIDY}:
        codes.discard("TL106")  # a removal that is tried again after a pause
    says = {rule.says for rule, _ in found.body if rule.code in codes}
    if found.unknown or found.stub or says != {"background"}:
        return False
    if any(rule.code in ("TL103", "TL116") for rule, _ in found.site) or _is_wanted(found):
        return False
    if codes == {"TL203"}:
        return not any(_mutates(body) for body, _ in found.view.bodies)
    return True


def _is_wanted(found: Gathered) -> bool:
    """An entry that is all that a request asks for is no trace of it: it is what somebody typed in.

    And a file whose removal is all that a DELETE asks for is no temporary one.
    """
    if not any(rule.code == "TL109" for rule, _ in found.site):
        return False
    codes = {rule.code for rule, _ in (*found.body, *found.site)}
    return "TL210" in codes or (
        "TL201" in codes and any("DELETE" in route.methods for route, _ in found.view.routes)
    )


def _mutates(body: Body) -> bool:
    """Whether a function changes something that is there after it."""
    for node, scope in body.nodes:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AugAssign)
            else []
        )
        for target in targets:
            if not isinstance(target, (ast.Subscript, ast.Attribute)):
                continue
            root: ast.expr = target
            while isinstance(root, (ast.Subscript, ast.Attribute)):
                root = root.value
            if not isinstance(root, ast.Name) or root.id not in scope.bindings:
                return True
    return False


def _strongest(evidence: list[Evidence]) -> tuple[Evidence, ...]:
    """The strongest, two of a rule at most, each place once."""
    shown: list[Evidence] = []
    count: dict[str, int] = {}
    for each in sorted(evidence, key=lambda e: -e.weight):
        if count.get(each.code, 0) < 2 and each not in shown:  # noqa: PLR2004
            shown.append(each)
            count[each.code] = count.get(each.code, 0) + 1
    return tuple(shown[:MOST_SHOWN])


def _why_not(found: Gathered) -> list[Evidence]:
    """Why nothing is proven."""
    site = found.view.site
    if found.stub and found.view.root is not None:
        root = found.view.root
        return [Evidence(root.module.rel, root.func.node.lineno, "TL000", "nothing is written in it yet")]
    if found.view.root is None and not found.unknown:
        return [Evidence(site.path, site.line, "TL000", f"its code is not in the tree: {site.called}")]
    return found.unknown[:2] or [
        Evidence(
            site.path,
            site.line,
            "TL000",
            "nothing in it says that it may be lost, and nothing that it may not",
        )
    ]
