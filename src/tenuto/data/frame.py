"""Tables in memory: a dictionary of columns, or a data frame of pandas, polars or pyarrow. Their names, and their cells as Python's own values.

What is missing is one thing, whatever library it came from: None, NaN, NaT, pandas' NA, a masked place of a numpy array, or a text that says so ("", "NA").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenuto.errors import DataError

NO_VALUE = frozenset(("", "?", "na", "n/a", "nan", "nat", "<na>", "null", "none"))


def is_frame(data: Any) -> bool:
    """Whether this is a data frame: a table that knows the names of its columns."""
    return hasattr(data, "column_names") or (hasattr(data, "columns") and not isinstance(data, (np.ndarray, Mapping)))


def columns_of(table: Any) -> dict[str, Any]:
    """The columns of a dictionary or data frame by name, each as its library has it, in their order.

    Raises:
        DataError: two columns have one name.
    """
    if hasattr(table, "column_names"):  # pyarrow
        keys = list(table.column_names)
    else:
        keys = list(table.columns if hasattr(table, "columns") else table)
    names = [str(key) for key in keys]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"two columns are named {twice[0]!r}.", received=", ".join(names[:12]), fix="rename or drop one of them")
    return {name: table[key] for name, key in zip(names, keys)}


def cells_of(column: Any) -> list[Any]:
    """The cells of a column as Python's own values; what is missing is None or NaN, as its library has it.

    Example:
        >>> cells_of(np.ma.array([1, 2], mask=[False, True])), cells_of(np.array(["2026-01-31"], dtype="datetime64[ns]"))
        ([1, None], ['2026-01-31T00:00:00.000000000'])
    """
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if isinstance(column, np.ndarray) and kind == "M":  # as Python's own values they would be whole numbers
        given = [None if text == "NaT" else text for text in np.datetime_as_string(np.ma.getdata(column)).tolist()]
        return [None if masked else cell for cell, masked in zip(given, np.ma.getmaskarray(column).tolist())]
    for name in ("to_pylist", "tolist", "to_list"):  # pyarrow, numpy and pandas, polars
        if hasattr(column, name):
            return list(getattr(column, name)())
    return [None if cell is np.ma.masked else cell for cell in column]


def items_of(data: Any, *, one_column: bool = True) -> list[Any]:
    """The texts of a set, or its lists of symbols, as a list: from a list, an array, a column, or a data frame with a single column.

    Args:
        one_column: whether an array [N, 1] is N texts; else it is N lists of one.
    Raises:
        DataError: a table of several columns, or a single value.
    Example:
        >>> items_of(np.array([["a fine film"], ["too long"]]))
        ['a fine film', 'too long']
    """
    if is_frame(data):
        columns = columns_of(data)
        if len(columns) != 1:
            raise DataError(
                f"the data is a table of {len(columns)} columns.",
                expected="texts: one column",
                received=", ".join(list(columns)[:8]),
                fix="give the column with the texts: x[NAME]",
            )
        return cells_of(next(iter(columns.values())))
    if isinstance(data, np.ndarray):
        if not data.ndim:
            raise DataError("the data is a single value.", expected="a list of texts or of token lists", received=repr(data)[:40], fix="put it in a list")
        if data.ndim == 2 and data.shape[1] == 1 and one_column:
            return cells_of(data[:, 0])
        return cells_of(data) if data.ndim == 1 else list(data)
    return list(data) if isinstance(data, (list, tuple)) or not any(hasattr(data, name) for name in ("to_pylist", "to_list")) else cells_of(data)


def is_missing(cell: Any) -> bool:
    """Whether a cell says that there is no value.

    Example:
        >>> [is_missing(cell) for cell in (None, float("nan"), " NA ", 0, "0", "nano")]
        [True, True, True, False, False, False]
    """
    if cell is None or cell is np.ma.masked or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(cell, str):
        return len(cell) < 16 and cell.strip().lower() in NO_VALUE
    return isinstance(cell, (float, np.floating, np.datetime64, np.timedelta64)) and bool(cell != cell)
