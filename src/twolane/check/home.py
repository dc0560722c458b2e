"""Where a code base keeps its `Tasks()`: found, or made beside its app."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath

from twolane.check.edits import Edits
from twolane.check.names import Names
from twolane.check.places import outside
from twolane.check.refs import Ext
from twolane.check.scopes import Imported, module_scope
from twolane.check.tree import Module, Tree

_TASKS = frozenset(["twolane.Tasks", "twolane.face.Tasks"])
FILE = "lanes_of_app.py"
"""The module that is made where there is none."""


class Home:
    """The module whose `tasks` every changed file imports."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.tree: Tree = names.tree
        self._near = self._name = ""
        self._tasks = self._assigned("Tasks", _TASKS)
        self._app = self._assigned("FastAPI", frozenset(["fastapi.FastAPI"]))

    def imported(self, edits: Edits, module: Module, taken: frozenset[str] = frozenset()) -> str:
        """What `tasks` is called in a module; its import is added where it is missing.

        Args:
            edits: where the import goes.
            module: the module.
            taken: names that mean something else where it is used.
        """
        if self._tasks is not None and self._tasks[0] is module and self._tasks[1] not in taken:
            return self._tasks[1]
        name = "tasks" if self._tasks is None else self._tasks[1]
        bindings = module_scope(self.tree, module).bindings
        bound = "lane_tasks" if "tasks" in bindings or "tasks" in taken else "tasks"
        alias = "" if bound == name else f" as {bound}"
        edits.import_line(module, f"from {self._dotted()} import {name}{alias}")
        return bound

    def settle(self, near: str) -> None:
        """Say which changed file it is near to, for a code base whose app is made in a function."""
        self._near = near
        self._name = ""

    def make(self, edits: Edits) -> None:
        """Make `tasks`, and install them in the app, where there are none yet."""
        if self._tasks is not None:
            return
        by_hand = "" if self._app is not None else "  # and tasks.install(app) where the app is made"
        edits.new(self._path(), f"from twolane import Tasks\n\ntasks = Tasks(){by_hand}\n")
        if self._app is not None:
            module, app, line = self._app
            tasks = self.imported(edits, module)
            edits.insert(module, line + 1, f"{tasks}.install({app})")

    def _assigned(self, last: str, names: frozenset[str]) -> tuple[Module, str, int] | None:
        """The first `name = Class(...)` at the top of a module."""
        for module in self.tree.containing(f"{last}("):
            found = outside(self.tree, module)
            for place in found.calls:
                if not isinstance(place.scope.node, ast.Module):
                    continue
                ref = self.names.ref(place.call.func, place.scope)
                parent = found.parents.get(id(place.call))
                if not isinstance(ref, Ext) or ref.dotted not in names:
                    continue
                if not isinstance(parent, ast.Assign) or not isinstance(parent.targets[0], ast.Name):
                    continue
                if isinstance(found.parents.get(id(parent)), ast.Module):
                    return module, parent.targets[0].id, parent.end_lineno or parent.lineno
        return None

    def _path(self) -> str:
        if self._tasks is not None:
            return self._tasks[0].rel
        if self._app is not None:
            return str(PurePosixPath(self._app[0].rel).parent / FILE)
        root = import_root(self.tree, self.tree.modules[self._near])
        inside = PurePosixPath(self._near).relative_to(root)
        return str(root / inside.parts[0] / FILE) if len(inside.parts) > 1 else str(root / FILE)

    def _dotted(self) -> str:
        """The import path of the home, found once."""
        self._name = self._name or self._found()
        return self._name

    def _found(self) -> str:
        path = PurePosixPath(self._path())
        near = self.tree.modules[
            self._tasks[0].rel if self._tasks else self._app[0].rel if self._app else self._near
        ]
        root = import_root(self.tree, near)
        inside = path.relative_to(root) if path.is_relative_to(root) else path
        return ".".join([*inside.parent.parts, inside.stem])


def import_root(tree: Tree, module: Module) -> PurePosixPath:
    """The folder that a module's imports start from, by what they find; else the one above its packages."""
    for bindings in module_scope(tree, module).bindings.values():
        for binding in bindings:
            if not isinstance(binding, Imported) or binding.level:
                continue
            found = tree.find(binding.module, module)
            stem = "" if found is None else found.rel.removesuffix("/__init__.py").removesuffix(".py")
            path = binding.module.replace(".", "/")
            if stem and f"/{stem}".endswith(f"/{path}"):
                return PurePosixPath(stem[: len(stem) - len(path)] or ".")
    folder = PurePosixPath(module.rel).parent
    while str(folder) != "." and f"{folder}/__init__.py" in tree.modules:
        folder = folder.parent
    return folder
