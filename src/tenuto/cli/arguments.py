"""What several commands are given: data by path or name, a cell by name or file, columns of a table."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tenuto.cell import Cell
    from tenuto.data import Columns

DATA_HELP = "A .ts, .csv, .tsv, .parquet or .npz file, a folder of *_TRAIN and *_TEST files, or the name of a shipped set (japanese_vowels)."
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as `tenuto fit` writes it.", show_default=False)]
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP, show_default=False)]
RunData = Annotated[
    str,
    typer.Argument(metavar="DATA", help="A file or folder of the form that the run was trained on, or the name of a shipped set (japanese_vowels).", show_default=False),
]
Split = Annotated[str | None, typer.Option(help="Which part of the data: train, validation or test. Default: all of it, or its test part.", show_default=False)]
CellFile = Annotated[str | None, typer.Option("--cell", metavar="FILE:CLASS", help="Where the run's cell is defined, if it is your own.", show_default=False)]
COLUMNS = "Columns of a table"
_ID, _TIME, _LABEL = "The column that tells sequences apart.", "The column that orders the rows of a sequence; may be absent.", "The column with the class."
_SPLIT = "The column that says train, validation or test; may be absent."
_TEXT, _TARGET = "The column, or JSONL key, with the text.", "The column, or JSONL key, with the text to produce."
_TOKEN, _TAG = "Which column is the token, from 0; negative numbers count from the end.", "Which column is the tag."


def option(help_text: str, panel: str, *names: str, **settings: Any) -> Any:
    """An option with its help, in a panel of `--help`; the panel is also its table in config.toml."""
    return typer.Option(*names, help=help_text, rich_help_panel=panel, **settings)


IdColumn = Annotated[str, option(_ID, COLUMNS)]
TimeColumn = Annotated[str, option(_TIME, COLUMNS)]
LabelColumn = Annotated[str, option(_LABEL, COLUMNS)]
SplitColumn = Annotated[str, option(_SPLIT, COLUMNS)]
TextColumn = Annotated[str, option(_TEXT, COLUMNS)]
TargetColumn = Annotated[str, option(_TARGET, COLUMNS)]
TokenColumn = Annotated[int, option(_TOKEN, "Columns of the file")]
TagColumn = Annotated[int, option(_TAG, "Columns of the file")]
# The same where there is a run: `predict` and `score` take what its config.toml says, unless it is typed.
AS_TRAINED = "Columns of DATA, if not as the run was trained"
RunIdColumn = Annotated[str | None, option(_ID, AS_TRAINED, show_default=False)]
RunTimeColumn = Annotated[str | None, option(_TIME, AS_TRAINED, show_default=False)]
RunLabelColumn = Annotated[str | None, option(_LABEL, AS_TRAINED, show_default=False)]
RunSplitColumn = Annotated[str | None, option(_SPLIT, AS_TRAINED, show_default=False)]
RunTextColumn = Annotated[str | None, option(_TEXT, AS_TRAINED, show_default=False)]
RunTargetColumn = Annotated[str | None, option(_TARGET, AS_TRAINED, show_default=False)]
RunTokenColumn = Annotated[int | None, option(_TOKEN, AS_TRAINED, show_default=False)]
RunTagColumn = Annotated[int | None, option(_TAG, AS_TRAINED, show_default=False)]
RunChannels = Annotated[list[str] | None, option("A column to use as input; repeat it.", AS_TRAINED, "--channel", show_default=False)]
Channels = Annotated[
    list[str] | None,
    typer.Option("--channel", help="A column to use as input; repeat it. Default: all others.", rich_help_panel="Columns of a table", show_default=False),
]


def data_path(text: str) -> Path:
    """The path that was typed, or that of the shipped data set of this name when no such file exists."""
    from tenuto.data.sets import SETS, path_of

    path = Path(text)
    return path_of(text) if text in SETS and not path.exists() else path


def columns(id_column: str, time_column: str, label_column: str, split_column: str, channels: Sequence[str] | None) -> Columns:
    """Which column of a table is what."""
    from tenuto.data import Columns

    return Columns(id=id_column, time=time_column, label=label_column, split=split_column, channels=tuple(channels) if channels else None)


def use_threads(threads: int) -> None:
    """Let torch use this many threads; zero leaves its own choice."""
    import torch

    if threads:
        torch.set_num_threads(threads)


def class_rows(ids: Sequence[str], probabilities: Any, classes: Sequence[Any], *, every: bool) -> list[dict[str, Any]]:
    """One dictionary a row of `probabilities` [N, K]: id, the likeliest class, its probability; with `every`, `p(CLASS)` for each class."""
    rows = []
    for name, row in zip(ids, probabilities):
        best = int(row.argmax())
        columns = {f"p({label})": round(float(share), 6) for label, share in zip(classes, row)} if every else {}
        rows.append({"id": name, "predicted": classes[best], "probability": round(float(row[best]), 6), **columns})
    return rows


def shipped_cells() -> dict[str, type[Cell]]:
    """The cells that come with tenuto, by the names that a command line takes: `lstm`, `gru-reset-before`, ..."""
    from tenuto import cells

    found = {}
    for name in cells.__all__:
        kind = getattr(cells, name)
        if not issubclass(kind, cells.Modifier):
            found[_dashed(name)] = kind
    found.update({"rnn": cells.Elman, "gru-reset-before": cells.ResetBeforeGRU})
    return dict(sorted(found.items()))


def cell_class(text: str) -> type[Cell]:
    """The class that `lstm`, `LayerNormLSTM` or `path/to/file.py:ClassName` names.

    Raises:
        ArgumentError: no cell has that name, or the file has no such class. CellError: the class is not a cell.
    """
    from tenuto.errors import ArgumentError

    if ".py:" in text:
        return _from_file(*text.rsplit(":", 1))
    known = shipped_cells()
    plain = {name.replace("-", ""): kind for name, kind in known.items()}
    kind = plain.get(text.lower().replace("-", "").replace("_", ""))
    if kind is None:
        raise ArgumentError(
            f"there is no cell {text!r}.", expected=" | ".join(known), received=text, fix="or name your own as path/to/file.py:ClassName"
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


def _dashed(name: str) -> str:
    """`LayerNormLSTM` as `layer-norm-lstm`."""
    marks = [
        "-" + letter if index and letter.isupper() and (name[index - 1].islower() or name[index + 1 : index + 2].islower()) else letter
        for index, letter in enumerate(name)
    ]
    return "".join(marks).lower()


def _value(text: str) -> Any:
    """A number, true or false where the text is one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)
