"""The rows of a table that has several for each sequence: which belong together, when each was, and what is the same in all of a sequence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tenuto.data.arrow import Texts
from tenuto.data.form import Form, form_with
from tenuto.data.frame import cells_of, is_missing
from tenuto.errors import DataError


def grouped(column: Any, name: str, place: Callable[[int], str]) -> tuple[np.ndarray, list[str]]:
    """The number of each row's sequence [rows], and the ids of the sequences in order of appearance. An id that is missing would join rows of several."""
    cells, group = column.coded() if isinstance(column, Texts) else (cells_of(column), None)
    if not cells:
        raise DataError("the table has no rows.", expected="one row for each time step")
    if any(is_missing(cell) for cell in dict.fromkeys(cells)):
        row = next(row for row, cell in enumerate(cells) if is_missing(cell))
        raise DataError(
            f"column {name!r} says no id in {place(row)}.",
            expected="the id of its sequence in every row",
            received=repr(cells[row])[:60],
            fix="fill it in, or leave the row out; without ids nothing says which rows belong together",
        )
    if group is not None:
        return group, cells
    known: dict[str, int] = {}
    group = np.array([known.setdefault(str(cell), len(known)) for cell in cells])
    return group, list(known)


def pointed(time: Any, name: str, place: Callable[[int], str], form: Form) -> Any:
    """A time column, with points for the decimal commas of its numbers; as numbers, where pyarrow has read it and they are plain."""
    if isinstance(time, Texts):
        plain = time.numbers() if form.decimal == "." else None
        time = time.to_pylist() if plain is None else plain
    if form.decimal == "." or not isinstance(time, list):
        return time
    made = []
    for row, cell in enumerate(time):
        try:
            made.append(form.number(cell))
        except ValueError:
            if re.fullmatch(r"[+-]?[\d.,]+", cell.strip(), re.ASCII):
                raise DataError(
                    f"column {name!r} is no number with a decimal comma in {place(row)}.", expected="1,5", received=repr(cell)[:60], fix=f"correct the cell, or leave {form_with('decimal')} out"
                ) from None
            made.append(cell)
    return made


def one_each(column: Any, name: str, order: np.ndarray, starts: np.ndarray, identities: Sequence[str]) -> list[Any]:
    """The one value that a column has in all rows of a sequence, for each sequence."""
    if isinstance(column, Texts):
        texts, codes = column.coded()
        first = codes[order][starts]
        alike = codes[order] == np.repeat(first, np.diff(starts, append=len(order)))
        if alike.all() and not any(is_missing(text) for text in texts):
            return [texts[code] for code in first]
    cells = cells_of(column)
    return [_constant([cells[row] for row in rows], name, identity) for rows, identity in zip(np.split(order, starts[1:]), identities)]


def _constant(values: list[Any], name: str, identity: str) -> Any:
    """The one value that a column has in all rows of a sequence."""
    first = values[0]
    if any(is_missing(value) for value in values):
        raise DataError(f"sequence {identity!r} has an empty {name}.", fix=f"fill it in, or drop the column {name!r}")
    if any(value != first for value in values):
        raise DataError(
            f"sequence {identity!r} has more than one {name}.",
            expected=f"the same {name} in all its rows",
            received=", ".join(sorted({repr(value) for value in values})[:4]),
            fix=f"give rows with a different {name} a different id",
        )
    return first
