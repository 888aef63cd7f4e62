"""Arguments that several commands take: data by path or name, a cell by name or file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tenuto.tasks.option import typed_options

if TYPE_CHECKING:
    from tenuto.cell import Cell
    from tenuto.tasks.task import Task

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as `tenuto fit` writes it.", show_default=False)]
RunData = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="A file or folder in the form that the run was trained on, or the name of a set that comes with tenuto (japanese_vowels).", show_default=False
    ),
]
Split = Annotated[str | None, typer.Option(help="Which part of the data: train, validation or test. Default: all of it, or its test part.", show_default=False)]
CellFile = Annotated[str | None, typer.Option("--cell", metavar="FILE.py:CLASS", help="Where the run's cell is defined, if it is one of your own.", show_default=False)]


def option(help_text: str, panel: str, *names: str, **settings: Any) -> Any:
    """An option with its help, in a panel of `--help`; the panel is also its table in config.toml."""
    return typer.Option(*names, help=escape(help_text), rich_help_panel=panel, **settings)


def data_path(text: str) -> Path:
    """The path that was typed; or if there is no such file, the path of the data set of this name that comes with tenuto.

    Raises:
        DataError: there is neither.
    """
    from tenuto.choices import missing_file
    from tenuto.data.sets import SETS, path_of
    from tenuto.errors import DataError

    path = Path(text)
    if text in SETS and not path.exists():
        return path_of(text)
    if not path.exists():
        raise DataError(
            f"there is no file or folder {path}.", expected=f"a file, a folder, or a data set that comes with tenuto: {', '.join(SETS)}", fix=missing_file(path, SETS)
        )
    return path


def use_threads(threads: int) -> None:
    """Let torch use this many threads; 0 leaves the number as it is."""
    import torch

    if threads:
        torch.set_num_threads(threads)


def cell_class(text: str) -> type[Cell]:
    """The class that `lstm`, `LayerNormLSTM` or `path/to/file.py:ClassName` names.

    Raises:
        ArgumentError: no cell has that name, or the file has no such class. CellError: the class is not a cell.
    """
    from tenuto.cells.names import cell_class_of, no_cell
    from tenuto.errors import ArgumentError

    if names_a_file(text):
        from tenuto.cli.user_file import class_from_file

        return class_from_file(*text.rsplit(":", 1))
    if text.endswith(".py"):
        from tenuto.cli.user_file import classes_in

        found = [f"{text}:{node.name}" for node in classes_in(text)]
        raise ArgumentError(f"{text} is a file, and does not say which of its cells is meant.", expected=" | ".join(found) or f"{text}:CLASS", received=text)
    kind = cell_class_of(text)
    if kind is None:
        raise no_cell(text)
    return kind


def names_a_file(text: Any) -> bool:
    """Whether the value of an option that is a cell names a class in a Python file, which would be run."""
    return isinstance(text, str) and ".py:" in text


def require_free(path: Path | None, overwrite: bool) -> None:
    """Check, before anything is computed, that a file or folder can be written there; None is none.

    Raises:
        ArgumentError: something is there already, or there is no folder for it.
    """
    from tenuto.errors import ArgumentError

    if path is not None and path.exists() and not overwrite:
        raise ArgumentError(f"{path} exists already.", fix="choose another name, or add --overwrite")
    if path is not None and not path.resolve().parent.is_dir():
        raise ArgumentError(f"there is no folder {path.parent} to write to.", fix="make it first")


def typed_cells(context: typer.Context, task: Task) -> dict[str, str]:
    """The cells of one's own that were typed on the command line, by option: `--cell FILE.py:CLASS`. No other file is ever run."""
    given = {known.typed: context.params.get(known.typed) for known in typed_options(task.options) if known.cell}
    return {name: value for name, value in given.items() if isinstance(value, str) and names_a_file(value) and was_typed(context, name)}


def was_typed(context: typer.Context, name: str) -> bool:
    """Whether this parameter stands on the command line, not in a configuration."""
    return getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"


def build_cell(kind: type[Cell], fields: Sequence[str]) -> Cell:
    """The cell with the hyper-parameters given as `name=value` texts.

    Raises:
        ArgumentError: no such field, or a value that it cannot take.
    """
    import dataclasses

    from tenuto.choices import did_you_mean
    from tenuto.errors import ArgumentError

    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {}
    for text in fields:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise ArgumentError(
                f"{kind.__name__} has no field {name!r}." if equals else f"{text!r} has no equals sign, so it sets no field.",
                expected="NAME=VALUE with one of " + ", ".join(known),
                received=text,
                fix=did_you_mean(name, known, shown=f"{{}}={value or 'VALUE'}"),
            )
        values[name] = _value(value)
    missing = [f.name for f in known.values() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and f.name not in values]
    if missing:
        raise ArgumentError(f"{kind.__name__} needs a value for {missing[0]!r}.", fix=f"--cell-field {missing[0]}=VALUE")
    return kind(**values)


def build_settings(kind: type, settings: Sequence[str]) -> Any:
    """A method of explanation with the settings given as `name=value` texts.

    Raises:
        ArgumentError: no such setting, or a value that it cannot have.
    """
    import dataclasses

    from tenuto.errors import ArgumentError

    known = [field.name for field in dataclasses.fields(kind)]
    values = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise ArgumentError(f"{text!r} is no setting of this method.", expected="NAME=VALUE with one of " + ", ".join(known), received=text)
        values[name] = _value(value)
    try:
        return kind(**values)
    except TypeError as error:  # a text where a number is compared
        raise ArgumentError(f"a setting cannot be used: {error}.", expected="a number where a number is meant", received=", ".join(settings)) from None


def _value(text: str) -> Any:
    """A number, True, False or None if the text means one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)
