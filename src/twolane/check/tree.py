"""The files of a code base as modules: their text always, their skeleton once it is asked for, the insides of functions for a while.

Every file is parsed once to know that it parses, and once more when a name leads to it. After that only single functions are
parsed, so the work grows with the code and not with the size of a file.
"""

from __future__ import annotations

import ast
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from twolane.check.files import Found, Note
from twolane.check.mentions import Mentions
from twolane.check.units import Unit, parse, units_of

KEPT_LINES = 20_000
"""Lines of functions that are kept at a time: some 60 MB."""

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
            self._starts.append(0)
            at = self.text.find("\n")
            while at >= 0:
                self._starts.append(at + 1)
                at = self.text.find("\n", at + 1)
        return self._starts


class Tree:
    """All modules below a root."""

    def __init__(self) -> None:
        self.modules: dict[str, Module] = {}
        self.parsed_lines = 0
        self.pinned: Module | None = None
        self.cache: dict[str, object] = {}  # what was made from all of it, without any of its nodes
        self._named: dict[str, dict[str, list[Unit]]] = {}
        self._mentions: Mentions | None = None
        self._skeletons: dict[str, tuple[ast.Module, list[Unit]]] = {}
        self._kept: dict[Unit, None] = {}
        self._kept_lines = 0
        self._by_stem: dict[str, list[str]] | None = None
        self._definitions: dict[str, list[str]] | None = None
        self._resolved: dict[tuple[str, str], Module | None] = {}

    @classmethod
    def read(cls, files: Iterable[Found], notes: list[Note]) -> Tree:
        """Read every file; what cannot be read or parsed is a note, and the rest goes on."""
        tree = cls()
        for found in files:
            raw = _text(found, notes)
            if raw is None:
                continue
            text = raw.replace("\r\n", "\n").replace("\r", "\n")
            module = Module(found.rel, text, text.count("\n") + 1, _newline(raw, text))
            tree.parsed_lines += module.line_count
            if _parses(module, notes):
                tree.modules[found.rel] = module
        return tree

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
        for unit in [each for each in self._kept if each.module is not self.pinned]:
            if self._kept_lines <= KEPT_LINES // 2:
                break
            del self._kept[unit]
            self._kept_lines -= unit.line_count
            unit.drop()
        return True

    def _skeleton(self, module: Module) -> tuple[ast.Module, list[Unit]]:
        known = self._skeletons.get(module.rel)
        if known is None:
            syntax = parse(module.text, module.rel)
            self.parsed_lines += module.line_count
            units = list(units_of(syntax, module, self._load))
            for unit in units:
                self._keep(unit)
            known = self._skeletons[module.rel] = (syntax, sorted(units, key=lambda unit: unit.start))
        return known

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
                for match in _DEFINITION.finditer(module.text):
                    self._definitions.setdefault(match[1], []).append(module.rel)
        return self._definitions.get(name, [])

    def find(self, dotted: str, importer: Module) -> Module | None:
        """The module that `import dotted` in another module means, where it is one of the tree."""
        folder = str(PurePosixPath(importer.rel).parent)
        key = (dotted, folder)
        if key not in self._resolved:
            self._resolved[key] = self._find(dotted, folder)
        return self._resolved[key]

    def relative(self, dotted: str, level: int, importer: Module) -> Module | None:
        """The module of a relative import."""
        folder = PurePosixPath(importer.rel).parent
        for _ in range(level - 1):
            folder = folder.parent
        return self._at(str(folder), dotted.replace(".", "/"))

    def _find(self, dotted: str, folder: str) -> Module | None:
        top, _, rest = dotted.partition(".")
        if top in sys.stdlib_module_names:
            return None
        path = dotted.replace(".", "/")
        bases = [folder, *(str(each) for each in PurePosixPath(folder).parents)]
        bases.sort(key=lambda base: f"{base}/__init__.py" in self.modules)  # a root of imports is no package
        for base in bases:
            if (found := self._at(base, path)) is not None:
                return found
        return self._by_suffix(path) if rest else None

    def _at(self, base: str, path: str) -> Module | None:
        start = "/".join(part for part in (base if base != "." else "", path) if part)
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


def _parses(module: Module, notes: list[Note]) -> bool:
    try:
        parse(module.text, module.rel)
    except SyntaxError as error:
        notes.append(
            Note(
                module.rel,
                error.lineno or 1,
                f"this file does not parse with Python {sys.version_info[0]}.{sys.version_info[1]} and is not "
                f"checked: {error.msg}",
            )
        )
        return False
    except (ValueError, RecursionError, MemoryError) as error:
        notes.append(
            Note(
                module.rel, 1, f"this file does not parse and is not checked: {error or type(error).__name__}"
            )
        )
        return False
    return True
