"""A user's own file: which cells are in it, found without running it; and one of them, made by running only what it needs.

A file is often a script as well, which trains, plots or writes. So of its top level only the class is run, and what defines the names that it uses:
imports, functions, classes, constants. A call that is a statement by itself is left out, except `register_activation(...)` and calls on `sys.path`.
"""

from __future__ import annotations

import ast
import dis
import hashlib
import importlib.abc
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

from tenuto.choices import missing_file, unknown_name
from tenuto.errors import ArgumentError, CellError

if TYPE_CHECKING:
    from tenuto.cell import Cell

_CALLED = ("register_activation", "sys.path")  # calls that a cell may need although it uses no name that they define


def classes_in(file: str) -> list[ast.ClassDef]:
    """The file's classes that have a step or are based on Cell or on such a class: its cells, most likely. Nothing is run.

    Raises:
        ArgumentError: there is no such file, or it is not Python.
    """
    classes = [node for node in _tree(file).body if isinstance(node, ast.ClassDef)]
    cells = {"Cell"}
    for node in classes:
        bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        if bases & cells or any(isinstance(part, ast.FunctionDef) and part.name == "step" for part in node.body):
            cells.add(node.name)
    return [node for node in classes if node.name in cells]


def class_from_file(file: str, name: str) -> type[Cell]:
    """The cell class of that name in the file; only what the class needs from the file is run.

    Raises:
        ArgumentError: there is no such file or class, or running it failed. CellError: the class is not a cell.
    """
    from tenuto.cell import USER_FILE, Cell
    from tenuto.errors import TenutoError

    tree, path = _tree(file), Path(file)
    if not any(name in _bound(node) for node in tree.body):
        known = [node.name for node in classes_in(file)]
        raise unknown_name(f"{file} defines no {name}.", name, known or ["a subclass of tenuto.Cell"])
    loader = _Part(path, tree, _needed(tree, name))
    place = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    # A name of its own, so that a file random.py does not stand where Python's own module is looked for; cells are still saved as "random:Mine".
    module_name = f"{USER_FILE}{place}_{path.stem.replace('.', '_')}"
    specification = importlib.util.spec_from_file_location(module_name, path, loader=loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module_name] = module
    try:
        loader.exec_module(module)
    except TenutoError:
        raise
    except Exception as error:
        line = next((frame.lineno for frame in reversed(traceback.extract_tb(error.__traceback__)) if frame.filename == str(path)), 0)
        raise ArgumentError(
            f"{file} cannot be read: {type(error).__name__}: {error}.",
            fix="define each name that the class uses by an assignment, an import or a def at the file's top level: nothing else is run",
        ).at(f"{file}, line {line}") from error
    kind = getattr(module, name)
    if not (isinstance(kind, type) and issubclass(kind, Cell)):
        raise CellError(f"{name} in {file} is not a cell.", expected="a subclass of tenuto.Cell", received=type(kind).__name__)
    return kind


class _Part(importlib.abc.InspectLoader):
    """Imports a part of a file: some statements of its top level, with their own line numbers."""

    def __init__(self, path: Path, tree: ast.Module, kept: set[ast.stmt]) -> None:
        self.path, self.tree = path, ast.Module([node for node in tree.body if node in kept], tree.type_ignores)

    def get_source(self, fullname: str) -> str:
        return self.path.read_text(encoding="utf-8")

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.tree, str(self.path), "exec", dont_inherit=True)


def _tree(file: str) -> ast.Module:
    path = Path(file)
    if not path.is_file():
        raise ArgumentError(f"there is no file {file}.", expected="path/to/file.py:ClassName", fix=missing_file(path))
    try:
        return ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise ArgumentError(f"{file}{line} is not Python: {error.msg if isinstance(error, SyntaxError) else error}.", expected="a Python file") from None


def _needed(tree: ast.Module, name: str) -> set[ast.stmt]:
    """The statements of the top level that define a name that the class uses, or a name that one of these statements uses, and so on."""
    needed: set[ast.stmt] = set()
    todo = [name]
    seen = set()
    for node in tree.body:
        always = isinstance(node, ast.ImportFrom) and (node.module == "__future__" or node.names[0].name == "*")
        if always or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and any(part in ast.unparse(node.value.func) for part in _CALLED)):
            needed.add(node)
            todo += _used(node)
    while todo:
        wanted = todo.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        for node in tree.body:
            if wanted in _bound(node) and node not in needed:
                needed.add(node)
                todo += _used(node)
    return needed


def _used(node: ast.stmt) -> list[str]:
    """The global names that a statement reads, without the local names of its functions."""
    module = ast.Module([node], type_ignores=[])
    return list(_read(compile(module, "", "exec", dont_inherit=True)))


def _read(code: CodeType) -> Iterator[str]:
    yield from (str(step.argval) for step in dis.get_instructions(code) if step.opname.startswith("LOAD_") and step.opname.endswith(("NAME", "GLOBAL", "GLOBALS")))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _read(constant)


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement of the top level defines or changes; none for a block that runs only if the file is a script."""
    if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
        return set()
    return set(_names(node))


def _names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))  # `table["a"] = 1` changes table
    else:
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id
            elif isinstance(part, ast.stmt) and part is not node and isinstance(part, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
                yield from _names(part)
