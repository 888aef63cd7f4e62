"""Cells by the names that people type: "lstm", "gru-reset-before", "LayerNormLSTM". One table for Python and the command line.

A cell is listed under one name. The name of its class is understood too, in any spelling.
"""

from __future__ import annotations

import inspect

from tenuto import cells
from tenuto.cell import Cell
from tenuto.choices import unknown_name
from tenuto.errors import ArgumentError, TenutoError
from tenuto.tongues import either

# Names that others use for these cells; the names of the others are made from their classes.
_KNOWN_AS = {"Elman": "rnn", "ResetBeforeGRU": "gru-reset-before", "GRUD": "gru-d", "CfC": "cfc"}


def _dashed(name: str) -> str:
    """`LayerNormLSTM` as `layer-norm-lstm`."""
    marks = [
        "-" + letter if index and letter.isupper() and (name[index - 1].islower() or name[index + 1 : index + 2].islower()) else letter
        for index, letter in enumerate(name)
    ]
    return "".join(marks).lower()


def _table() -> dict[str, type[Cell]]:
    kinds = {name: getattr(cells, name) for name in cells.__all__}
    return dict(sorted((_KNOWN_AS.get(name, _dashed(name)), kind) for name, kind in kinds.items() if not issubclass(kind, cells.Modifier)))


CELLS: dict[str, type[Cell]] = _table()
_PLAIN = {name.replace("-", "").lower(): kind for known, kind in CELLS.items() for name in (known, kind.__name__)}


def cell_class_of(name: str) -> type[Cell] | None:
    """The class of that name, in any case, with dashes, underscores or neither; None if there is none.

    Example:
        >>> cell_class_of("layer_norm_LSTM").__name__
        'LayerNormLSTM'
    """
    return _PLAIN.get(name.lower().replace("-", "").replace("_", ""))


def no_cell(name: str) -> TenutoError:
    """The error about a name that no cell has."""
    own = either("or pass a Cell of your own", "or give one of your own as path/to/file.py:ClassName")
    return unknown_name(f"there is no cell {name!r}.", name, CELLS, fix=own)


def cell_from_name(cell: str | Cell) -> Cell:
    """The cell of that name with the default values of its fields; a cell stays as it is.

    Args:
        cell: a class name of `tenuto.cells` in any case, or "rnn" for `Elman`.
    Raises:
        ArgumentError: no cell has that name, or it has a field without a default value.
    Example:
        >>> cell_from_name("gru")
        GRU(activation='tanh', recurrent_activation='sigmoid')
    """
    if isinstance(cell, Cell):
        return cell
    kind = cell_class_of(str(cell))
    if kind is None:
        raise no_cell(str(cell))
    needed = [name for name, parameter in inspect.signature(kind).parameters.items() if parameter.default is inspect.Parameter.empty]
    if needed:
        fix = either(f"pass the cell itself: {kind.__name__}({needed[0]}=...)", f"--cell-field {needed[0]}=VALUE")
        raise ArgumentError(f"{kind.__name__} needs a value for {needed[0]!r}.", fix=fix)
    return kind()
