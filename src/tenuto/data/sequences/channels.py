"""The columns of a table as channels: each as numbers, in the order that their names ask for. Columns that are no measurements are refused.

A column that only numbers the rows of its table, as data frames write one beside the data (`Unnamed: 0`, `index`), says in which part of a file a row
stood. A model would learn that instead of what was measured. So it is an input only for who asks for it by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.frame import cells_of, is_missing
from tenuto.data.sequences.moments import moment_of
from tenuto.errors import DataError
from tenuto.tongues import either

# Names that only a frame's own index has; names of row numbers, which are judged by what the column holds; and names that measurements have too,
# for which the column must count every row.
_INDEX = re.compile(r"|unnamed: \d+(\.\d+)?|unnamed: \d+_level_\d+|__index_level_\d+__", re.IGNORECASE)
_ROW_NUMBERS = re.compile(r"(?:index|idx|level_\d+|row|(row|line|record|sample)[ _.]?(id|idx|index|nr|no|num|number|names?))(\.\d+)?", re.IGNORECASE)
_PERHAPS = re.compile(r"_?id|nr|no|num|#|x|v1|\.\.\.1|column1|_c0", re.IGNORECASE)


def numbers(column: Any, name: str, place: Callable[[int], str], form: Form = USUAL_FORM) -> np.ndarray:
    """A column of cells `[rows]` as float64, NaN where there is no value.

    Args:
        name: of the column, for messages. place: what a message calls a row, given its number. form: how numbers are written.
    Raises:
        DataError: the column holds dates, or a cell is not a number; the message names the first one.
    """
    chosen, label = either("channels=(...)", "--channel NAME, once for each"), either("label=", "--label-column")
    fix = f"if it has the labels, say so ({label}); else choose the inputs by name with {chosen}, or write the column as numbers"
    array = column if isinstance(column, np.ma.MaskedArray) else None if isinstance(column, (list, tuple)) else np.asarray(column)
    if array is not None and array.dtype.kind in "Mm":
        what = "dates" if array.dtype.kind == "M" else "durations"
        raise DataError(f"column {name!r} holds {what}, which are no input.", expected="numbers", received=str(array.dtype), fix=f"if it is the time, say so ({either('time=', '--time-column')}); {fix}")
    if array is not None and array.dtype.kind in "biuf":
        return np.ma.filled(array.astype(np.float64), np.nan)
    cells = cells_of(column)
    try:
        return np.array([_read(cell, form) for cell in cells] if form.decimal == "," else [np.nan if is_missing(cell) else cell for cell in cells], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        for row, cell in enumerate(cells):
            try:
                float(_read(cell, form))
            except (TypeError, ValueError, OverflowError):
                raise DataError(
                    f"column {name!r} is not a number in {place(row)}{_kind_of(cell)}.",
                    expected="a number, or an empty cell for a missing value",
                    received=repr(cell)[:60],
                    fix=fix,
                ) from None
        raise


def _read(cell: Any, form: Form) -> Any:
    return np.nan if is_missing(cell) else form.number(cell) if isinstance(cell, str) else cell


def refuse_row_numbers(columns: Mapping[str, np.ndarray]) -> None:
    """Raise if one of these columns, which nobody chose by name, only numbers the rows.

    Args:
        columns: name to [rows] float64, in the order of the table.
    Raises:
        DataError: names the column, and says how to leave it out or to keep it.
    """
    for name, values in columns.items():
        counts = (_ROW_NUMBERS.fullmatch(name) and _differs(values)) or (_PERHAPS.fullmatch(name) and _counts(values))
        if not (_INDEX.fullmatch(name) or counts):
            continue
        others = [other for other in columns if other != name]
        chosen = " ".join(f"--channel {_quoted(other)}" for other in others) if len(others) <= 12 else "--channel NAME, once for each"
        raise DataError(
            f"column {name!r} only numbers the rows of the table: it is no input." if name else "a column has no name: it seems to number the rows, and is no input.",
            expected="columns that were measured",
            received=", ".join(f"{value:.10g}" for value in values[:6]) + (", ..." if len(values) > 6 else ""),
            fix=f"write the table without it{either(', with to_csv(..., index=False)', ' (pandas: to_csv with index=False)')}; or choose the inputs: "
            f"{either(f'channels={tuple(others[:12])}', chosen or '--channel NAME')}; if it is the time: {either(f'Columns(time={name!r})', f'--time-column {_quoted(name)}')}",
        )


def order_of(channels: Sequence[str], wanted: Sequence[str], whose: str) -> list[int]:
    """Where each wanted channel stands among `channels`.

    Args:
        whose: where the wanted names come from, for the message: "the model was trained on".
    Raises:
        DataError: a wanted name is missing, a name is there that is not wanted, or a name occurs twice; the message names them.
    Example:
        >>> order_of(["b", "a"], ["a", "b"], "the model was trained on")
        [1, 0]
    """
    if list(channels) == list(wanted):
        return list(range(len(wanted)))
    missing = [name for name in wanted if name not in channels]
    foreign = [name for name in channels if name not in wanted]
    twice = sorted({name for name in channels if list(channels).count(name) > 1})
    if missing or foreign or twice:
        said = [f"it lacks {_listed(missing)}"] * bool(missing) + [f"{_listed(foreign)} {'is' if len(foreign) == 1 else 'are'} not among them"] * bool(foreign)
        raise DataError(
            f"the data does not have the channels that {whose}: {', and '.join(said) or f'{_listed(twice)} occurs twice'}.",
            expected=", ".join(wanted[:12]) + (", ..." if len(wanted) > 12 else ""),
            received=", ".join(channels[:12]) + (", ..." if len(channels) > 12 else ""),
            fix="give the columns the names that they had in training, in any order"
            + (f"; leave others out by naming the inputs: {either(f'channels={tuple(wanted[:6])}', ' '.join(f'--channel {_quoted(name)}' for name in wanted[:6]) + (' ...' if len(wanted) > 6 else ''))}" if foreign and not missing else ""),
        )
    return [list(channels).index(name) for name in wanted]


def _kind_of(cell: Any) -> str:
    """That a cell is a time, for a message, if it is one."""
    try:
        return f", but {moment_of(cell).kind}, which is no input"
    except ValueError:
        return ""


def _differs(values: np.ndarray) -> bool:
    """Whether every row has a whole number of its own, 0 or more, as the rows of a table or of a part of it have."""
    whole = np.isfinite(values).all() and (values >= 0).all() and (values == np.round(values)).all()
    return bool(len(values) > 1 and whole and len(np.unique(values)) == len(values))


def _counts(values: np.ndarray) -> bool:
    """Whether the values count the rows in the order of the table, from 0 or from 1; of fewer than ten rows nobody can tell."""
    return len(values) >= 10 and bool((np.diff(values) == 1).all()) and values[0] in (0, 1)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:6]) + (", ..." if len(names) > 6 else "")


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.]+", name) else f'"{name}"'
