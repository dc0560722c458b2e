"""The files of a code base as modules: their text always, their syntax tree while it is needed.

A syntax tree takes some fifty times the bytes of its text, so only those used last are kept; a tree that is asked for
again is parsed again. Nothing outside this module holds on to more than one module's tree for long.
"""

from __future__ import annotations

import ast
import gc
import re
import sys
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from twolane.check.files import Found, Note

KEPT_LINES = 30_000
"""Lines of source whose trees are kept at a time: some 80 MB."""

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
        cache: what was made from its present syntax tree.
    """

    rel: str
    text: str
    line_count: int = 0
    newline: str = "\n"
    cache: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def is_package(self) -> bool:
        """Whether this is a package's own file."""
        return self.rel.endswith("__init__.py")

    @property
    def lines(self) -> list[str]:
        """Its lines, as they are."""
        return self.text.split("\n")


class Tree:
    """All modules below a root."""

    def __init__(self) -> None:
        self.modules: dict[str, Module] = {}
        self._kept: OrderedDict[str, ast.Module] = OrderedDict()
        self._kept_lines = 0
        self._dropped_lines = 0
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
            if _parses(module, notes):
                tree.modules[found.rel] = module
        return tree

    def syntax(self, module: Module) -> ast.Module:
        """The syntax tree of a module."""
        kept = self._kept.get(module.rel)
        if kept is not None:
            self._kept.move_to_end(module.rel)
            return kept
        parsed = parse(module.text, module.rel)
        module.cache.clear()
        self._kept[module.rel] = parsed
        self._kept_lines += module.line_count
        while self._kept_lines > KEPT_LINES and len(self._kept) > 1:
            rel, _ = self._kept.popitem(last=False)
            dropped = self.modules[rel]
            dropped.cache.clear()
            self._kept_lines -= dropped.line_count
            self._dropped_lines += dropped.line_count
        if self._dropped_lines > KEPT_LINES:
            self._dropped_lines = 0
            gc.collect()  # scopes know their parents: cycles, which are all that the collector is needed for here
        return parsed

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


def parse(text: str, name: str) -> ast.Module:
    """Parse without a word about the code's own oddities, such as an invalid escape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, name)


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
