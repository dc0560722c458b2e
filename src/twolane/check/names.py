"""What a name means: imports, aliases, re-exports, attributes, methods, partials, what a call returns.

Everything is read off the code, so an answer is what the code says and never what it would do at run time: where two
assignments disagree the first that can be resolved is taken, and what cannot be resolved is None.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from twolane.check.known import Known
from twolane.check.plain import FLUENT, WRAPPERS, YIELDED, builtin, given, is_callable, is_static
from twolane.check.refs import Cls, Ext, Func, Inst, Mod, Ref
from twolane.check.scopes import (
    Binding,
    Imported,
    Parameter,
    Scope,
    Value,
    child,
    module_scope,
    statements,
)
from twolane.check.self_attributes import assigned
from twolane.check.tree import Module, Tree
from twolane.check.units import parse


class Names:
    """Resolves expressions in a tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._known = Known()

    def forget(self) -> None:
        """Let go of what names were found to mean: it holds on to syntax trees."""
        self._known.forget()

    def ref(self, node: ast.expr, scope: Scope, depth: int = 0) -> Ref | None:  # noqa: C901, PLR0912  (one case a kind of node)
        """What an expression stands for; None: nobody can tell from the code."""
        if self._known.is_too_deep(depth):
            return None
        match node:
            case ast.Name(id=name):
                return self.name(name, scope, depth + 1)
            case ast.Attribute(value=value, attr=attr):
                of = self.ref(value, scope, depth + 1)
                found = None if of is None else self.attribute(of, attr, depth + 1)
                return self._below(found, scope) if isinstance(of, Ext) and isinstance(found, Ext) else found
            case ast.Call():
                return self._called(node, scope, depth + 1)
            case ast.Lambda():
                return Func(scope.module, node, scope)
            case ast.Await(value=value) | ast.NamedExpr(value=value) | ast.Starred(value=value):
                return self.ref(value, scope, depth + 1)
            case ast.BoolOp(values=values):
                return self._first(values, scope, depth + 1)
            case ast.IfExp(body=body, orelse=orelse):
                return self._first([body, orelse], scope, depth + 1)
            case ast.Dict() | ast.DictComp():
                return Inst(Ext("dict"))
            case ast.List() | ast.ListComp():
                return Inst(Ext("list"))
            case ast.Set() | ast.SetComp():
                return Inst(Ext("set"))
            case ast.JoinedStr():
                return Inst(Ext("str"))
            case ast.Constant(value=value):
                return None if value is None else Inst(Ext(type(value).__name__))
            case _:
                return None

    def name(self, name: str, scope: Scope, depth: int = 0) -> Ref | None:
        """What a bare name means at a place."""
        if self._known.is_too_deep(depth):
            return None
        return self._known.find(scope, name, depth, self._looked_up)

    def _looked_up(self, name: str, scope: Scope, depth: int) -> Ref | None:
        at = scope
        while name not in at.bindings or (at is not scope and at.is_class):
            if at.parent is None:
                return self._starred(name, at, depth + 1) or builtin(name)
            at = at.parent
        return self._bound(at.bindings[name], at, name, depth + 1)

    def attribute(self, of: Ref, attr: str, depth: int = 0) -> Ref | None:
        """What an attribute of something means."""
        if self._known.is_too_deep(depth):
            return None
        match of:
            case Mod(module=module):
                return self._of_module(module, attr, depth + 1)
            case Ext(dotted=dotted):
                return Ext(f"{dotted}.{attr}")
            case Cls():
                return self.member(of, attr, depth + 1)
            case Inst(of=kind):
                if isinstance(kind, Cls):
                    return self.member(kind, attr, depth + 1, instance=True)
                return Ext(f"{kind.dotted}.{attr}")
            case _:
                return None

    def member(self, cls: Cls, attr: str, depth: int = 0, *, instance: bool = False) -> Ref | None:
        """An attribute of a class in the tree, its bases and what its methods assign to self included."""
        for each in self.lineage(cls, depth + 1):
            if isinstance(each, Ext):
                if instance and each.dotted not in ("object", "abc.ABC", "typing.Protocol", "typing.Generic"):
                    return Ext(f"{each.dotted}.{attr}")
                continue
            scope = child(each.scope, each.node)
            if attr in scope.bindings:
                found = self._bound(scope.bindings[attr], scope, attr, depth + 1, owner=each)
                if found is not None:
                    return self._property(found, depth + 1) if instance else found
            found = self._self_assigned(each, attr, depth + 1)
            if found is not None:
                return found
        return None

    def lineage(self, cls: Cls, depth: int = 0) -> Iterator[Cls | Ext]:
        """A class and its bases, nearest first."""
        yield cls
        if self._known.is_too_deep(depth):
            return
        for base in cls.node.bases:
            inner = base.value if isinstance(base, ast.Subscript) else base
            found = self.ref(inner, cls.scope, depth + 1)
            if isinstance(found, Cls) and found.key != cls.key:
                yield from self.lineage(found, depth + 1)
            elif isinstance(found, Ext):
                yield found

    def is_a(self, found: Ref | None, names: frozenset[str]) -> bool:
        """Whether something is an instance of one of these outside classes, by whatever base class."""
        if not isinstance(found, Inst):
            return False
        if isinstance(found.of, Ext):
            return found.of.dotted in names
        return any(isinstance(each, Ext) and each.dotted in names for each in self.lineage(found.of))

    def annotated(self, node: ast.expr, scope: Scope, depth: int = 0) -> Ref | None:
        """What a value of this annotation is an instance of."""
        if self._known.is_too_deep(depth):
            return None
        match node:
            case ast.Constant(value=str(text)):
                try:
                    inner = parse(text.strip(), scope.module.rel).body
                except (SyntaxError, ValueError):
                    return None
                if len(inner) == 1 and isinstance(inner[0], ast.Expr):
                    return self.annotated(inner[0].value, scope, depth + 1)
                return None
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self.annotated(left, scope, depth + 1) or self.annotated(right, scope, depth + 1)
            case ast.Subscript(value=value, slice=inner):
                return self._subscripted(value, inner, scope, depth + 1)
            case ast.Name() | ast.Attribute():
                return self._named_type(node, scope, depth + 1)
            case _:
                return None

    def returned(self, func: Func, depth: int = 0) -> Ref | None:
        """What a call of a function gives."""
        if self._known.is_too_deep(depth):
            return None
        inner = child(func.scope, func.node)
        if isinstance(func.node, ast.Lambda):
            return self.ref(func.node.body, inner, depth + 1)
        if func.node.returns is not None:
            found = self.annotated(func.node.returns, func.scope, depth + 1)
            if found is not None and not is_callable(found):
                return found
        for statement in statements(func.node.body):
            value = given(statement)
            if value is not None and (found := self.ref(value, inner, depth + 1)) is not None:
                return found
        return None

    def _bound(
        self, bindings: list[Binding], scope: Scope, name: str, depth: int, owner: Cls | None = None
    ) -> Ref | None:
        for binding in (
            bindings if scope.is_function else reversed(bindings)
        ):  # a later definition hides one before
            found = self._one(binding, scope, name, depth, owner)
            if found is not None:
                return found
        return None

    def _one(self, binding: Binding, scope: Scope, name: str, depth: int, owner: Cls | None) -> Ref | None:
        match binding:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return Func(scope.module, binding, scope, owner)
            case ast.ClassDef():
                return Cls(scope.module, binding, scope)
            case Imported():
                return self._imported(binding, scope, depth + 1)
            case Parameter():
                return self._parameter(binding, scope, depth + 1)
            case Value(node=node, annotation=annotation, part=part):
                if annotation is not None:
                    found = self.annotated(annotation, scope, depth + 1)
                    if found is not None:
                        return found
                if node is None or part or (isinstance(node, ast.Name) and node.id == name):
                    return None
                return self.ref(node, scope, depth + 1)

    def _imported(self, imported: Imported, scope: Scope, depth: int) -> Ref | None:
        module = self._module(imported, scope.module)
        if imported.name is None:
            return Mod(module) if module is not None else Ext(imported.module)
        if module is None:
            below = (
                self.tree.find(f"{imported.module}.{imported.name}", scope.module)
                if not imported.level
                else None
            )
            if below is not None:
                return Mod(below)
            path = f"{imported.module}.{imported.name}" if imported.module else imported.name
            return Ext(path) if imported.level == 0 else None
        return self._of_module(module, imported.name, depth + 1)

    def _module(self, imported: Imported, importer: Module) -> Module | None:
        if imported.level:
            return self.tree.relative(imported.module, imported.level, importer)
        return self.tree.find(imported.module, importer)

    def _of_module(self, module: Module, name: str, depth: int) -> Ref | None:
        if self._known.is_too_deep(depth):
            return None
        scope = module_scope(self.tree, module)
        if name in scope.bindings:
            found = self._bound(scope.bindings[name], scope, name, depth + 1)
            if found is not None:
                return found
        if module.is_package:
            below = self.tree.relative(name, 1, module)
            if below is not None and below is not module:
                return Mod(below)
        return self._starred(name, scope, depth + 1)

    def _starred(self, name: str, scope: Scope, depth: int) -> Ref | None:
        for star in scope.stars:
            module = self._module(star, scope.module)
            if module is not None and module is not scope.module:
                found = self._of_module(module, name, depth + 2)
                if found is not None:
                    return found
        return None

    def _parameter(self, parameter: Parameter, scope: Scope, depth: int) -> Ref | None:
        parent = scope.parent
        if parameter.first and parent is not None and parent.is_class and not is_static(scope.node):
            if isinstance(parent.node, ast.ClassDef) and parent.parent is not None:
                cls = Cls(parent.module, parent.node, parent.parent)
                return cls if parameter.arg.arg == "cls" else Inst(cls)
            return None
        if parameter.arg.annotation is not None:
            found = self.annotated(parameter.arg.annotation, scope, depth + 1)
            if found is not None:
                return found
        return None if parameter.default is None else self._default(parameter.default, scope, depth + 1)

    def _default(self, default: ast.expr, scope: Scope, depth: int) -> Ref | None:
        """A default, or what `Depends(...)` brings."""
        if isinstance(default, ast.Call):
            func = self.ref(default.func, scope.parent or scope, depth + 1)
            if isinstance(func, Ext) and func.dotted.endswith((".Depends", ".Security")):
                if not default.args:
                    return None
                found = self.ref(default.args[0], scope.parent or scope, depth + 1)
                match found:
                    case Func():
                        return self.returned(found, depth + 1)
                    case Cls():
                        return Inst(found)
                    case _:
                        return None
        return self.ref(default, scope.parent or scope, depth + 1)

    def _called(self, call: ast.Call, scope: Scope, depth: int) -> Ref | None:
        func = self.ref(call.func, scope, depth + 1)
        match func:
            case Ext(dotted=dotted) if dotted in WRAPPERS and call.args:
                inner = call.args[1] if dotted == "typing.cast" and len(call.args) > 1 else call.args[0]
                return self.ref(inner, scope, depth + 1)
            case Ext(dotted="super"):
                return self._super(scope, depth + 1)
            case Ext(dotted=dotted):
                last = dotted.rpartition(".")[2]
                return Inst(Ext(dotted if last[:1].isupper() else f"{dotted}()"))
            case Cls():
                return Inst(func)
            case Func():
                return self.returned(func, depth + 1)
            case _:
                return None

    def _super(self, scope: Scope, depth: int) -> Ref | None:
        for each in scope.functions():
            parent = each.parent
            if parent is not None and isinstance(parent.node, ast.ClassDef) and parent.parent is not None:
                bases = list(self.lineage(Cls(parent.module, parent.node, parent.parent), depth + 1))[1:]
                return Inst(bases[0]) if bases else None
        return None

    def _property(self, found: Ref, depth: int) -> Ref:
        """A property stands for what it returns."""
        if isinstance(found, Func) and not isinstance(found.node, ast.Lambda):
            for decorator in found.node.decorator_list:
                named = (
                    decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
                )
                if named in ("property", "cached_property"):
                    return self.returned(found, depth + 1) or found
        return found

    def _self_assigned(self, cls: Cls, attr: str, depth: int) -> Ref | None:
        """`self.attr = ...` in a method of the class."""
        for value, annotation, scope in assigned(cls, attr):
            found = self.annotated(annotation, scope, depth + 1) if annotation is not None else None
            if found is None and value is not None:
                found = self.ref(value, scope, depth + 1)
            if found is not None:
                return found
        return None

    def _subscripted(self, value: ast.expr, inner: ast.expr, scope: Scope, depth: int) -> Ref | None:
        last = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
        elements = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if last in FLUENT or last in YIELDED:
            if last == "Coroutine":
                elements = elements[-1:]
            for element in elements if last == "Union" else elements[:1]:
                found = self.annotated(element, scope, depth + 1)
                if found is not None:
                    return found
            return None
        if last in ("type", "Type"):
            found = self.annotated(elements[0], scope, depth + 1)
            return found.of if isinstance(found, Inst) else None
        return self._named_type(value, scope, depth + 1)

    def _named_type(self, node: ast.expr, scope: Scope, depth: int) -> Ref | None:
        if isinstance(node, ast.Name):
            alias = self._alias(node.id, scope, depth + 1)
            if alias is not None:
                return alias
        found = self.ref(node, scope, depth + 1)
        match found:
            case Cls():
                return Inst(found)
            case Ext(dotted=dotted) if dotted not in ("typing.Any", "object", "None"):
                return Inst(found)
            case Inst():
                return found
            case _:
                return None

    def _alias(self, name: str, scope: Scope, depth: int) -> Ref | None:
        """`Session = Annotated[..., Depends(...)]`, in this module or in one that it is imported from."""
        at: Scope | None = scope
        while at is not None:
            for binding in at.bindings.get(name, ()):
                if isinstance(binding, Value) and isinstance(binding.node, (ast.Subscript, ast.BinOp)):
                    return self.annotated(binding.node, at, depth + 1)
                if (
                    isinstance(binding, Imported)
                    and binding.name is not None
                    and not self._known.is_too_deep(depth + 1)
                ):
                    module = self._module(binding, at.module)
                    if module is not None:
                        return self._alias(binding.name, module_scope(self.tree, module), depth + 1)
            at = at.parent
        return None

    def _below(self, found: Ext, scope: Scope) -> Ref:
        """`import a.b` where `a` is a folder without a file of its own."""
        if "(" in found.dotted or found.dotted.partition(".")[0] in sys.stdlib_module_names:
            return found
        module = self.tree.find(found.dotted, scope.module)
        return found if module is None else Mod(module)

    def _first(self, values: list[ast.expr], scope: Scope, depth: int) -> Ref | None:
        for value in values:
            found = self.ref(value, scope, depth + 1)
            if found is not None:
                return found
        return None
