"""Python source that stands alone: definitions with all that they name, gathered into one text.

Text is copied as it is written, with two changes. Annotations of jaxtyping become `Array`; and a
Flax module loses its `__init__` and its decorators and becomes one of `Parts`, since what it is
made of is written where it is built. What comes from Python, JAX, Flax, NumPy or safetensors is
imported, all else is copied. The layers of `nas.export.flax_layers` are copied whole.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from types import ModuleType

from flax import nnx

IMPORTABLE = frozenset({"flax", "jax", "numpy", "safetensors", *sys.stdlib_module_names})
"""Packages that the text may import; of ours and the user's it holds copies."""

LAYERS = "nas.export.flax_layers"
_PARTS = "Parts"


@dataclass
class Bundle:
    """What was gathered: import statements and definitions by name, each after what it needs."""

    imports: dict[str, str] = field(default_factory=dict[str, str])
    definitions: dict[str, str] = field(default_factory=dict[str, str])
    _origins: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, module: ModuleType, name: str) -> None:
        """Gathers what a module names so, with all that it needs in turn.

        Args:
            module: Where the name is defined, or imported from elsewhere.
            name: Of a function, class, constant or import at the module's top.

        Raises:
            ValueError: If the name is not to be found there, if something of another package would
                have to be imported, or if two things have one name.
        """
        if name == "Array":
            self._claim(name, "jax")
            self.imports[name] = "from jax import Array"
            return
        source = _read(module)
        node = source.names.get(name)
        if isinstance(node, ast.ImportFrom | ast.Import):
            self._add_imported(module, name, node)
        elif node is None:
            raise ValueError(f"{module.__name__}: expected {name} to be defined at its top")
        elif self._claim(name, module.__name__):
            text, needed = _copy(source, node)
            for other in sorted(needed):
                here = other != _PARTS
                self.add(module if here else importlib.import_module(LAYERS), other)
            self.definitions[name] = text

    def _add_imported(
        self, module: ModuleType, name: str, node: ast.Import | ast.ImportFrom
    ) -> None:
        alias = next(one for one in node.names if _bound_name(one) == name)
        if isinstance(node, ast.Import):
            package, statement = alias.name, f"import {alias.name}"
        else:
            given = "." * node.level + (node.module or "")
            package = importlib.util.resolve_name(given, module.__package__)
            statement = f"from {package} import {alias.name}"
        if _importable(package):
            self._claim(name, statement)
            self.imports[name] = f"{statement} as {name}" if alias.asname else statement
        elif isinstance(node, ast.Import) or alias.asname:
            raise ValueError(
                f"{module.__name__}: {name} cannot be copied: expected `from {package} import` of "
                "a function, class or constant by its own name"
            )
        else:
            self.add(importlib.import_module(package), name)

    def _claim(self, name: str, origin: str) -> bool:
        """Whether the name is new; an error if it is another thing's."""
        new = name not in self._origins
        known = self._origins.setdefault(name, origin)
        if known != origin:
            raise ValueError(f"{name}: expected one thing of that name, got {known} and {origin}")
        return new


@dataclass(frozen=True)
class _Source:
    """A module's text, where its lines start, and what each name at its top is bound by."""

    module: ModuleType
    text: bytes
    lines: tuple[int, ...]
    names: dict[str, ast.stmt]

    def start(self, node: ast.stmt | ast.expr) -> int:
        """Place of the node's first byte, decorators left out."""
        return self.lines[node.lineno - 1] + node.col_offset

    def decorated_start(self, node: ast.stmt) -> int:
        """Place of the first decorator's `@`, or of the node."""
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        return self.start(decorators[0]) - 1 if decorators else self.start(node)

    def end(self, node: ast.stmt | ast.expr) -> int:
        """Place behind its last byte."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.lines[node.end_lineno - 1] + node.end_col_offset


@lru_cache(maxsize=64)
def _read(module: ModuleType) -> _Source:
    if not (module.__file__ or "").endswith(".py"):
        raise ValueError(f"{module.__name__}: expected a module with a file of Python source")
    assert module.__file__ is not None
    data, names = Path(module.__file__).read_bytes(), dict[str, ast.stmt]()
    for node in ast.parse(data).body:
        names.update(dict.fromkeys(_bound_by(node), node))
    lengths = (len(line) for line in data.splitlines(keepends=True))
    return _Source(module, data, (0, *accumulate(lengths)), names)


def _bound_by(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from map(_bound_name, node.names)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        yield from (
            inner.id
            for inner in ast.walk(node)
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
        )


def _bound_name(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


class _Copy(ast.NodeVisitor):
    """Collects the edits of a definition's text, and the names that it needs from elsewhere."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.edits: list[tuple[int, int, bytes]] = []
        self.loaded: set[str] = set()
        self.bound: set[str] = set()

    def replace(self, node: ast.expr, text: str) -> None:
        """Puts other text in the expression's place."""
        self.edits.append((self.source.start(node), self.source.end(node), text.encode()))
        self.loaded.add(text)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.value, ast.Name) and self._is_jaxtyping(node.value.id):
            self.replace(node, "Array")
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if self._is_jaxtyping(node.id):
            self.replace(node, "Array")
        else:
            (self.loaded if isinstance(node.ctx, ast.Load) else self.bound).add(node.id)

    def visit_arg(self, node: ast.arg) -> None:
        self.bound.add(node.arg)
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._visit_import(node, [node.module or ""])

    def visit_Import(self, node: ast.Import) -> None:
        self._visit_import(node, [alias.name for alias in node.names])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.bound.add(node.name)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.bound.add(node.name)
        if not _becomes_parts(self.source, node):
            self.generic_visit(node)
            return
        kinds: tuple[type, ...] = getattr(self.source.module, node.name).__bases__
        for base, kind in zip(node.bases, kinds, strict=False):
            if kind is nnx.Module:
                self.replace(base, _PARTS)
            else:
                self.visit(base)
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                self._leave_out(inner, alone=len(node.body) == 1)
            else:
                self.visit(inner)

    def _leave_out(self, node: ast.stmt, *, alone: bool) -> None:
        start, end = self.source.decorated_start(node), self.source.end(node)
        rest = self.source.text[end:]
        # What follows moves to where it stood.
        blank = len(rest) - len(rest.lstrip())
        self.edits.append((start, end if alone else end + blank, b"pass" if alone else b""))

    def _visit_import(self, node: ast.Import | ast.ImportFrom, packages: list[str]) -> None:
        for package in packages:
            if not _importable(package):
                raise ValueError(
                    f"{self.source.module.__name__}: a function that imports {package} when it "
                    "runs cannot be copied"
                )
        self.bound.update(_bound_by(node))

    def _is_jaxtyping(self, name: str) -> bool:
        node = self.source.names.get(name)
        return isinstance(node, ast.ImportFrom) and node.module == "jaxtyping"


def _copy(source: _Source, node: ast.stmt) -> tuple[str, set[str]]:
    """A definition's text, and the names at the module's top that it needs."""
    copied = _Copy(source)
    copied.visit(node)
    start, end = source.decorated_start(node), source.end(node)
    if _becomes_parts(source, node):
        start = source.start(node)
    text = b""
    for first, last, put in sorted(copied.edits):
        text, start = text + source.text[start:first] + put, last
    known = copied.bound | set(dir(builtins))
    needed = {name for name in copied.loaded if name in source.names or name not in known}
    return (text + source.text[start:end]).decode().rstrip(), needed


def _becomes_parts(source: _Source, node: ast.stmt) -> bool:
    if not isinstance(node, ast.ClassDef) or source.module.__name__ == LAYERS:
        return False
    value = getattr(source.module, node.name, None)
    return isinstance(value, type) and issubclass(value, nnx.Module)


def _importable(package: str) -> bool:
    return package.partition(".")[0] in IMPORTABLE
