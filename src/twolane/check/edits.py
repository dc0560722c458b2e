"""Edits of text at places of its syntax tree, applied together and told as one unified diff."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass

from twolane.check.tree import Module, Tree
from twolane.check.units import is_syntax


@dataclass(frozen=True, slots=True)
class _Replacement:
    line: int
    start: int
    end: int
    text: str


class Edits:
    """Edits of some files; the same edit twice is one. Nothing is written anywhere."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.made: dict[str, str] = {}
        self._replacements: dict[str, set[_Replacement]] = {}
        self._inserted: dict[str, dict[int, list[str]]] = {}

    def replace(self, module: Module, line: int, start: int, end: int, text: str) -> None:
        """Replace a part of a line; columns count bytes of UTF-8, as `ast` does."""
        self._replacements.setdefault(module.rel, set()).add(_Replacement(line, start, end, text))

    def insert(self, module: Module, line: int, text: str) -> None:
        """Insert lines before a line, from 1."""
        there = self._inserted.setdefault(module.rel, {}).setdefault(line, [])
        if text not in there:
            there.append(text)

    def import_line(self, module: Module, text: str) -> None:
        """Add an import behind the first block of imports of a file."""
        self.insert(module, _import_place(self.tree.syntax(module)), text)

    def new(self, rel: str, text: str) -> None:
        """Make a file."""
        self.made[rel] = text

    def texts(self) -> dict[str, tuple[str, str]]:
        """The text of each file before and after."""
        changed = sorted({*self._replacements, *self._inserted})
        found = {rel: (self.tree.modules[rel].text, self._after(self.tree.modules[rel])) for rel in changed}
        return {**found, **{rel: ("", text) for rel, text in self.made.items()}}

    def holds(self) -> bool:
        """Whether each file parses after it, and its line ends are of one kind."""
        for rel, (_, text) in self.texts().items():
            try:
                is_syntax(text, rel)
            except (SyntaxError, ValueError):
                return False
            if not self._newline(rel):
                return False
        return True

    def diff(self) -> str:
        """One unified diff of all, whether it holds or not."""
        parts: list[str] = []
        for rel, texts in self.texts().items():
            before, after = (text.replace("\n", self._newline(rel) or "\n") for text in texts)
            old = f"a/{rel}" if before else "/dev/null"
            parts += difflib.unified_diff(_lines(before), _lines(after), old, f"b/{rel}")
        return "".join(
            part if part.endswith("\n") else f"{part}\n\\ No newline at end of file\n" for part in parts
        )

    def _newline(self, rel: str) -> str:
        return self.tree.modules[rel].newline if rel in self.tree.modules else "\n"

    def _after(self, module: Module) -> str:
        lines = module.text.split("\n")
        for each in sorted(
            self._replacements.get(module.rel, ()), key=lambda r: (r.line, r.start, r.end), reverse=True
        ):
            raw = lines[each.line - 1].encode()
            lines[each.line - 1] = (raw[: each.start] + each.text.encode() + raw[each.end :]).decode()
        for number, texts in sorted(self._inserted.get(module.rel, {}).items(), reverse=True):
            lines[number - 1 : number - 1] = texts
        return "\n".join(lines)


def _lines(text: str) -> list[str]:
    """Lines as a patch knows them: a form feed is no end of one."""
    return [f"{line}\n" for line in text.split("\n")[:-1]] + (
        [text.rpartition("\n")[2]] if text[-1:] != "\n" and text else []
    )


def _import_place(syntax: ast.Module) -> int:
    """The line behind the imports that a file begins with, or behind its docstring."""
    place = 1
    for statement in syntax.body:
        is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not isinstance(statement, (ast.Import, ast.ImportFrom)) and not is_docstring:
            break
        place = (statement.end_lineno or statement.lineno) + 1
    return place
