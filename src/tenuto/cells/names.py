"""Cells by name, for people who type: "lstm", "gru", "layernormlstm"."""

from __future__ import annotations

import inspect

from tenuto import cells
from tenuto.cell import Cell
from tenuto.errors import ArgumentError


def _needs_nothing(kind: object) -> bool:
    """Whether it is a cell that can be made without arguments."""
    if not inspect.isclass(kind) or issubclass(kind, cells.Modifier):
        return False
    return all(parameter.default is not inspect.Parameter.empty for parameter in inspect.signature(kind).parameters.values())


CELLS: dict[str, type[Cell]] = {
    "rnn": cells.Elman,
    **{name.lower(): getattr(cells, name) for name in cells.__all__ if _needs_nothing(getattr(cells, name))},
}


def cell_from_name(cell: str | Cell) -> Cell:
    """The cell of that name with its usual fields; a cell stays as it is.

    Args:
        cell: a class name of `tenuto.cells` in any case, or "rnn" for `Elman`.
    Raises:
        ArgumentError: no cell has that name.
    Example:
        >>> cell_from_name("gru")
        GRU(activation='tanh', recurrent_activation='sigmoid')
    """
    if isinstance(cell, Cell):
        return cell
    name = str(cell).lower().replace("_", "").replace("-", "")
    if name not in CELLS:
        raise ArgumentError(f"there is no cell {cell!r}.", expected=" | ".join(sorted(CELLS)), fix="or pass a Cell of your own")
    return CELLS[name]()
