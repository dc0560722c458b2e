"""The files of a code base as modules: their text always, their skeleton once it is asked for, the insides of functions for a while.

A file is parsed when something leads to it, and those that nothing led to when all is done, to know that they parse. After
that only single functions are parsed, so the work grows with the code and not with the size of a file.
"""

from __future__ import annotations

import ast
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar

from twolane.check.files import Found, Note
from twolane.check.mentions import Mentions
from twolane.check.units import Unit, is_syntax, parse, units_of

KEPT_LINES = 20_000
"""Lines of functions that are kept at a time: some 60 MB."""

_T = TypeVar("_T")
_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


@dataclass(eq=False)
class Module:
    """One file.

    Attributes:
        rel: its path relative to the root, with slashes.
        text: its source, with every line end a line feed.
        line_count: how many lines it has.
        newline: how its lines end in the file; empty where they end in different ways.
        cache: what was made from its skeleton.
    """

    rel: str
    text: str
    line_count: int = 0
    newline: str = "\n"
    cache: dict[str, object] = field(default_factory=dict[str, object])
    _starts: list[int] = field(default_factory=list[int])

    @property
    def folder(self) -> str:
        """The folder it is in, relative to the root; empty for the root."""
        return self.rel.rpartition("/")[0]

    @property
    def is_package(self) -> bool:
        """Whether this is a package's own file."""
        return self.rel.endswith("__init__.py")

    def between(self, first: int, last: int) -> str:
        """Some of its lines, from 1, the last one included; without the line feed behind it."""
        starts = self._line_starts()
        end = starts[last] - 1 if last < len(starts) else len(self.text)
        return self.text[starts[first - 1] : end]

    def line(self, number: int) -> str:
        """One of its lines, from 1."""
        return self.between(number, number)

    def line_at(self, offset: int) -> int:
        """The line, from 1, that a place in its text is in."""
        return bisect_right(self._line_starts(), offset)

    def offset(self, number: int) -> int:
        """Where in its text a line begins; one behind the last is the end."""
        starts = self._line_starts()
        return starts[number - 1] if number <= len(starts) else len(self.text)

    def _line_starts(self) -> list[int]:
        if not self._starts:
            self._starts = [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]
            self._starts.pop()  # behind the last line is the end
        return self._starts


class Tree:
    """All modules below a root."""

    def __init__(self, notes: list[Note] | None = None) -> None:
        self.modules: dict[str, Module] = {}
        self.notes = [] if notes is None else notes
        self.parsed_lines = 0
        self.pinned: Module | None = None
        self.cache: dict[str, object] = {}  # what was made from all of it, without any of its nodes
        self._named: dict[str, dict[str, list[Unit]]] = {}
        self._mentions: Mentions | None = None
        self._skeletons: dict[str, tuple[ast.Module, list[Unit]]] = {}
        self._broken: set[str] = set()
        self._kept: dict[Unit, None] = {}
        self._kept_lines = 0
        self._by_stem: dict[str, list[str]] | None = None
        self._definitions: dict[str, list[str]] | None = None
        self._resolved: dict[tuple[str, str], Module | None] = {}

    @classmethod
    def read(cls, files: Iterable[Found], notes: list[Note]) -> Tree:
        """Read every file; what cannot be read, or turns out not to parse, is a note, and the rest goes on."""
        tree = cls(notes)
        for found in files:
            raw = _text(found, notes)
            if raw is None:
                continue
            text = raw.replace("\r\n", "\n").replace("\r", "\n")
            tree.modules[found.rel] = Module(found.rel, text, text.count("\n") + 1, _newline(raw, text))
        return tree

    def prove(self) -> None:
        """Parse what nothing has led to; what does not parse is no module any more."""
        for module in self.modules.values():
            if module.rel not in self._skeletons:
                self.parsed_lines += module.line_count
                self._parsed(module, is_syntax)
        for rel in self._broken:
            self.modules.pop(rel, None)

    def syntax(self, module: Module) -> ast.Module:
        """The syntax tree of a module, whose functions parse their insides when they are asked for them."""
        return self._skeleton(module)[0]

    def units(self, module: Module) -> list[Unit]:
        """The functions of a module and of its classes, in order of their lines."""
        return self._skeleton(module)[1]

    def unit_at(self, module: Module, line: int) -> Unit | None:
        """The function that a line is in, its decorators included."""
        units = self.units(module)
        index = bisect_right(units, line, key=lambda unit: unit.start) - 1
        return units[index] if index >= 0 and line <= units[index].end else None

    def named(self, module: Module, name: str) -> list[Unit]:
        """The functions of a module and of its classes that have a name."""
        if module.rel not in self._named:
            by_name = self._named[module.rel] = {}
            for unit in self.units(module):
                by_name.setdefault(unit.node.name, []).append(unit)
        return self._named[module.rel].get(name, [])

    @property
    def mentions(self) -> Mentions:
        """Where names are called; looked through once."""
        if self._mentions is None:
            self._mentions = Mentions(self.modules.values())
        return self._mentions

    def trim(self) -> bool:
        """Let go of the functions that were parsed first, where there are too many; whether there were.

        Nobody may hold on to a node of a function over this, but for those of the pinned module.
        """
        if self._kept_lines <= KEPT_LINES:
            return False
        gone: list[Unit] = []
        for unit in self._kept:
            if self._kept_lines <= KEPT_LINES // 2:
                break
            if unit.module is not self.pinned:
                self._kept_lines -= unit.line_count
                gone.append(unit)
        for unit in gone:
            del self._kept[unit]
            unit.drop()
        return True

    def _skeleton(self, module: Module) -> tuple[ast.Module, list[Unit]]:
        known = self._skeletons.get(module.rel)
        if known is None:
            syntax = self._parsed(module, parse) or ast.Module([], [])
            self.parsed_lines += module.line_count
            units = list(units_of(syntax, module, self._load))
            for unit in units:
                self._keep(unit)
            known = self._skeletons[module.rel] = (syntax, sorted(units, key=lambda unit: unit.start))
        return known

    def _parsed(self, module: Module, how: Callable[[str, str], _T]) -> _T | None:
        """What parsing a module gives; None, and a note: it does not parse."""
        try:
            return how(module.text, module.rel)
        except SyntaxError as error:
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            sentence = f"this file does not parse with Python {version} and is not checked: {error.msg}"
            self.notes.append(Note(module.rel, error.lineno or 1, sentence))
        except (ValueError, RecursionError, MemoryError) as error:
            sentence = f"this file does not parse and is not checked: {error or type(error).__name__}"
            self.notes.append(Note(module.rel, 1, sentence))
        self._broken.add(module.rel)
        return None

    def _load(self, unit: Unit) -> None:
        unit.parse()
        self.parsed_lines += unit.line_count
        self._keep(unit)

    def _keep(self, unit: Unit) -> None:
        self._kept[unit] = None
        self._kept_lines += unit.line_count

    def containing(self, word: str) -> Iterator[Module]:
        """The modules whose text has a word."""
        for module in self.modules.values():
            if word in module.text:
                yield module

    def defining(self, name: str) -> list[str]:
        """The paths of the modules that define a function of this name, one entry a definition."""
        if self._definitions is None:
            self._definitions = {}
            for module in self.modules.values():
                for each in _DEFINITION.findall(module.text):
                    self._definitions.setdefault(each, []).append(module.rel)
        return self._definitions.get(name, [])

    def find(self, dotted: str, importer: Module) -> Module | None:
        """The module that `import dotted` in another module means, where it is one of the tree."""
        folder = importer.folder
        key = (dotted, folder)
        if key not in self._resolved:
            self._resolved[key] = self._whole(self._find(dotted, folder))
        return self._resolved[key]

    def relative(self, dotted: str, level: int, importer: Module) -> Module | None:
        """The module of a relative import."""
        folder = importer.folder
        for _ in range(level - 1):
            folder = folder.rpartition("/")[0]
        return self._whole(self._at(folder, dotted.replace(".", "/")))

    def _whole(self, module: Module | None) -> Module | None:
        """A module that parses."""
        if module is not None:
            self._skeleton(module)
        return None if module is None or module.rel in self._broken else module

    def _find(self, dotted: str, folder: str) -> Module | None:
        top, _, rest = dotted.partition(".")
        if top in sys.stdlib_module_names:
            return None
        path = dotted.replace(".", "/")
        parts = folder.split("/") if folder else []
        bases = ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]
        bases.sort(key=lambda base: f"{base}/__init__.py" in self.modules)  # a root of imports is no package
        for base in bases:
            if (found := self._at(base, path)) is not None:
                return found
        return self._by_suffix(path) if rest else None

    def _at(self, base: str, path: str) -> Module | None:
        start = f"{base}/{path}" if base and path else base or path
        if not start:
            return self.modules.get("__init__.py")
        return self.modules.get(f"{start}.py") or self.modules.get(f"{start}/__init__.py")

    def _by_suffix(self, path: str) -> Module | None:
        """A root that is no folder above the importer, such as `src/`: found where only one module fits."""
        if self._by_stem is None:
            self._by_stem = {}
            for rel in self.modules:
                stem = rel.removesuffix("/__init__.py").removesuffix(".py")
                self._by_stem.setdefault(stem.rpartition("/")[2], []).append(rel)
        fitting = [
            rel
            for rel in self._by_stem.get(path.rpartition("/")[2], ())
            if f"/{rel}".endswith((f"/{path}.py", f"/{path}/__init__.py"))
        ]
        return self.modules[fitting[0]] if len(fitting) == 1 else None


def _text(found: Found, notes: list[Note]) -> str | None:
    try:
        raw = found.path.read_bytes()
    except OSError as error:
        notes.append(Note(found.rel, 1, f"this file cannot be read: {error.strerror}"))
        return None
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    coding = next((m[1].decode() for line in raw.split(b"\n", 2)[:2] if (m := _CODING.match(line))), "utf-8")
    try:
        text = raw.decode(coding)
    except (UnicodeDecodeError, LookupError):
        notes.append(Note(found.rel, 1, f"this file is not {coding.upper()} and is not checked"))
        return None
    return text


def _newline(raw: str, text: str) -> str:
    if "\r" not in raw:
        return "\n"
    return "\r\n" if text.replace("\n", "\r\n") == raw else ""
