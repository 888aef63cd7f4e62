"""Cells by the names that people type: "lstm", "gru-reset-before", "LayerNormLSTM". One table for Python and the command line."""

from __future__ import annotations

import inspect

from tenuto import cells
from tenuto.cell import Cell
from tenuto.errors import ArgumentError


def _dashed(name: str) -> str:
    """`LayerNormLSTM` as `layer-norm-lstm`."""
    marks = [
        "-" + letter if index and letter.isupper() and (name[index - 1].islower() or name[index + 1 : index + 2].islower()) else letter
        for index, letter in enumerate(name)
    ]
    return "".join(marks).lower()


def _table() -> dict[str, type[Cell]]:
    kinds = {name: getattr(cells, name) for name in cells.__all__}
    named = {_dashed(name): kind for name, kind in kinds.items() if not issubclass(kind, cells.Modifier)}
    return dict(sorted({**named, "rnn": cells.Elman, "gru-reset-before": cells.ResetBeforeGRU}.items()))


CELLS: dict[str, type[Cell]] = _table()


def cell_class_of(name: str) -> type[Cell] | None:
    """The class of that name, in any case, with dashes, underscores or neither; None if there is none.

    Example:
        >>> cell_class_of("layer_norm_LSTM").__name__
        'LayerNormLSTM'
    """
    plain = {known.replace("-", ""): kind for known, kind in CELLS.items()}
    return plain.get(name.lower().replace("-", "").replace("_", ""))


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
        raise ArgumentError(f"there is no cell {cell!r}.", expected=" | ".join(CELLS), fix="or pass a Cell of your own")
    needed = [name for name, parameter in inspect.signature(kind).parameters.items() if parameter.default is inspect.Parameter.empty]
    if needed:
        raise ArgumentError(f"{kind.__name__} needs a value for {needed[0]!r}.", fix=f"pass the cell itself: {kind.__name__}({needed[0]}=...)")
    return kind()
