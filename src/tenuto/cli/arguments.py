"""What several commands are given: data by path or name, a cell by name or file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tenuto.cell import Cell

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as `tenuto fit` writes it.", show_default=False)]
RunData = Annotated[
    str,
    typer.Argument(metavar="DATA", help="A file or folder of the form that the run was trained on, or the name of a shipped set (japanese_vowels).", show_default=False),
]
Split = Annotated[str | None, typer.Option(help="Which part of the data: train, validation or test. Default: all of it, or its test part.", show_default=False)]
CellFile = Annotated[str | None, typer.Option("--cell", metavar="FILE:CLASS", help="Where the run's cell is defined, if it is your own.", show_default=False)]


def option(help_text: str, panel: str, *names: str, **settings: Any) -> Any:
    """An option with its help, in a panel of `--help`; the panel is also its table in config.toml."""
    return typer.Option(*names, help=help_text, rich_help_panel=panel, **settings)


def data_path(text: str) -> Path:
    """The path that was typed, or that of the shipped data set of this name when no such file exists."""
    from tenuto.data.sets import SETS, path_of

    path = Path(text)
    return path_of(text) if text in SETS and not path.exists() else path


def use_threads(threads: int) -> None:
    """Let torch use this many threads; zero leaves its own choice."""
    import torch

    if threads:
        torch.set_num_threads(threads)


def cell_class(text: str) -> type[Cell]:
    """The class that `lstm`, `LayerNormLSTM` or `path/to/file.py:ClassName` names.

    Raises:
        ArgumentError: no cell has that name, or the file has no such class. CellError: the class is not a cell.
    """
    from tenuto.cells.names import CELLS, cell_class_of
    from tenuto.errors import ArgumentError

    if ".py:" in text:
        return _from_file(*text.rsplit(":", 1))
    kind = cell_class_of(text)
    if kind is None:
        raise ArgumentError(
            f"there is no cell {text!r}.", expected=" | ".join(CELLS), received=text, fix="or name your own as path/to/file.py:ClassName"
        )
    return kind


def build_cell(kind: type[Cell], fields: Sequence[str]) -> Cell:
    """The cell with the hyper-parameters given as `name=value` texts.

    Raises:
        ArgumentError: no such field, or a value that it cannot take.
    """
    import dataclasses

    from tenuto.errors import ArgumentError

    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {}
    for text in fields:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise ArgumentError(
                f"{kind.__name__} has no field {name!r}." if equals else f"{text!r} sets no field.",
                expected="NAME=VALUE with one of " + ", ".join(known),
                received=text,
            )
        values[name] = _value(value)
    missing = [f.name for f in known.values() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and f.name not in values]
    if missing:
        raise ArgumentError(f"{kind.__name__} needs a value for {missing[0]!r}.", fix=f"--cell-field {missing[0]}=VALUE")
    return kind(**values)


def _from_file(file: str, name: str) -> type[Cell]:
    """Run the user's own file, as `python file.py` would, and take the class from it."""
    from tenuto.cell import Cell
    from tenuto.errors import ArgumentError, CellError

    path = Path(file)
    if not path.is_file():
        raise ArgumentError(f"there is no file {file}.", expected="path/to/file.py:ClassName", received=f"{file}:{name}")
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None and specification.loader is not None  # the suffix is .py
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    kind = getattr(module, name, None)
    if kind is None:
        classes = [key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Cell) and value is not Cell]
        raise ArgumentError(f"{file} defines no {name}.", expected=" | ".join(classes) or "a subclass of tenuto.Cell", received=name)
    if not (isinstance(kind, type) and issubclass(kind, Cell)):
        raise CellError(f"{name} in {file} is not a cell.", expected="a subclass of tenuto.Cell", received=type(kind).__name__)
    return kind


def _value(text: str) -> Any:
    """A number, true or false where the text is one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)
