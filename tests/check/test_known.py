"""What is remembered of names changes no answer, only how often they are looked up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import permutations

import pytest

from twolane.check.known import DEEPEST, Known
from twolane.check.refs import Ext, Ref
from twolane.check.scopes import Scope
from twolane.check.tree import Module

SCOPE = Scope(Module("a.py", ""), ast.Module([], []), None)
CHAIN = {str(number): str(number - 1) for number in range(1, DEEPEST + 9)}
"""Each name stands for the one before; `0` for something outside."""


class Chain:
    """Looks names of the chain up, a step a name."""

    def __init__(self) -> None:
        self.known = Known()
        self.looked: list[str] = []

    def ask(self, name: str) -> Ref | None:
        return self.known.find(SCOPE, name, 0, self._look)

    def _look(self, name: str, scope: Scope, depth: int) -> Ref | None:
        self.looked.append(name)
        if name not in CHAIN:
            return Ext("end")
        if self.known.is_too_deep(depth + 1):
            return None
        return self.known.find(scope, CHAIN[name], depth + 1, self._look)


def orders() -> Iterator[tuple[int, ...]]:
    yield from permutations((1, DEEPEST // 2, DEEPEST, DEEPEST + 1, DEEPEST + 8), 5)


@pytest.mark.parametrize("order", [range(DEEPEST + 9), range(DEEPEST + 8, -1, -1)], ids=["up", "down"])
def test_a_chain_ends_where_its_steps_do_whatever_was_asked_before(order: range) -> None:
    chain = Chain()
    answers = {number: chain.ask(str(number)) for number in order}
    assert {number for number, found in answers.items() if found is not None} == set(range(DEEPEST + 1))


def test_in_no_order_does_an_answer_change() -> None:
    for order in orders():
        chain = Chain()
        for number in order:
            assert (chain.ask(str(number)) is not None) is (number <= DEEPEST), order


def test_a_name_is_looked_up_once() -> None:
    chain = Chain()
    chain.ask("5")
    chain.ask("5")
    chain.ask("3")
    assert chain.looked == ["5", "4", "3", "2", "1", "0"]


def test_what_is_forgotten_is_looked_up_anew() -> None:
    chain = Chain()
    chain.ask("0")
    chain.known.forget()
    chain.ask("0")
    assert chain.looked == ["0", "0"]
