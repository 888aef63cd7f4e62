"""Sequences from a long table, which has one row for each time step: CSV, TSV or Parquet.

    id,time,speed,heart_rate,label,split
    walk-1,0.0,1.2,80,walking,train
    walk-1,0.5,1.3,82,walking,train
    run-7,0.0,3.1,120,running,test

Rows with the same `id` are one sequence, in the order of `time` (or of the file, if there is no such column). `label` and `split` are the
same in all rows of a sequence; both columns may be absent. All other columns are channels; an empty cell is a missing value.
The formats are those of `tenuto.data.rows`; Parquet needs pyarrow (`pip install 'tenuto[data]'`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.choices import did_you_mean, unknown_name
from tenuto.data.decode import naming
from tenuto.data.frame import cells_of, columns_of, is_missing
from tenuto.data.rows import read_table
from tenuto.data.sequences.channels import numbers, refuse_row_numbers
from tenuto.data.sequences.moments import HALF_A_DAY, is_clock, moment_of, sortable
from tenuto.data.sequences.sequences import Sequences
from tenuto.data.source import Source
from tenuto.errors import DataError
from tenuto.tongues import either

_TABLE = Source("table")
_SAYING = either("Columns(id=..., time=..., label=...)", "--id-column, --time-column, --label-column")


@dataclass(frozen=True)
class Columns:
    """Which column is what, by name. `channels` names the columns with values; by default they are all other columns."""

    id: str = "id"
    time: str = "time"
    label: str = "label"
    split: str = "split"
    channels: tuple[str, ...] | None = None


USUAL = Columns()


def read_long_table(path: Path, columns: Columns, *, labels: bool = True) -> dict[str, Sequences]:
    """The parts of a table in a file, by name; "all" where it has no split column.

    Args:
        labels: whether to read the labels.

    Raises:
        DataError: as in `tenuto.data.rows.read_table` and `sequences_from_columns`.
    """
    table = read_table(path)
    with naming(path):
        data, split = _sequences(table.columns, columns, table.source, table.lines, labels=labels)
        return {"all": data} if split is None else data.parts(split)


def sequences_from_columns(table: Any, columns: Columns = USUAL, *, came_from: Source = _TABLE) -> tuple[Sequences, list[str] | None]:
    """Sequences from a long table, and the split of each (None without such a column).

    Args:
        table: column name to `[rows]`: a dictionary of lists or arrays, or a data frame of pandas, polars or pyarrow.
        columns: which column is what.
        came_from: what to call the set, and where it came from.
    Raises:
        DataError: no id column, no rows, no channel, a cell that is not a number, a column that only numbers the rows, an empty id or time, times that
            cannot be compared, two rows of one sequence with the same time, or a label or split that is empty or changes within a sequence.
    """
    return _sequences(table, columns, came_from, None)


def _sequences(table: Any, columns: Columns, came_from: Source, lines: np.ndarray | None, *, labels: bool = True) -> tuple[Sequences, list[str] | None]:
    given = columns_of(table)
    names = list(given)
    _require(names, columns)
    if labels:  # to predict, new data need not have them
        _require_named(names, columns)
    identities = cells_of(given[columns.id])
    if not identities:
        raise DataError("the table has no rows.", expected="one row for each time step")
    identities = _identities(identities, columns.id, lines)
    channels = columns.channels or tuple(n for n in names if n not in (columns.id, columns.time, columns.label, columns.split))
    if not channels:
        raise DataError("the table has no channel.", expected=f"columns other than {columns.id}, {columns.time}, {columns.label}, {columns.split}")
    place = partial(_row, lines=lines)
    values = {channel: numbers(given[channel], channel, place) for channel in channels}
    if not columns.channels:
        refuse_row_numbers(values)
    frame = np.stack(list(values.values()), axis=1)  # [rows, C] float64
    order, starts, first_ids = _rows_by_sequence(identities, given.get(columns.time), columns.time, place)
    pieces = np.split(order, starts[1:])
    per_sequence = {}
    for column in (*([columns.label] if labels else []), columns.split):
        if column in names:
            cells = cells_of(given[column])
            per_sequence[column] = [_constant([cells[row] for row in piece], column, identity) for piece, identity in zip(pieces, first_ids)]
    frame = frame[order]
    data = Sequences(
        np.split(frame, starts[1:]),
        per_sequence.get(columns.label),
        ids=first_ids,
        channels=channels,
        came_from=came_from,
    )
    return data, per_sequence.get(columns.split)


def _require(names: list[str], columns: Columns) -> None:
    for needed in (columns.id, *(columns.channels or ())):
        if needed not in names:
            raise DataError(
                f"there is no column {needed!r}.",
                expected=f"columns {columns.id}, {columns.time}, channels ..., {columns.label}",
                received=", ".join(names) or "no column",
                fix=did_you_mean(needed, names, "give the columns these names, or say which are which with " + _SAYING),
            )


def _require_named(names: list[str], columns: Columns) -> None:
    """Raise where a column that was named is not there: the one that was meant would be taken for an input, or nothing would have a label."""
    for role in ("time", "label"):
        named = getattr(columns, role)
        if named not in names and named != getattr(USUAL, role):
            raise unknown_name(f"there is no column {named!r} for the {role}.", named, names, kind=DataError, fix=f"correct {either(role + '=', f'--{role}-column')}")


def _row(index: int, lines: np.ndarray | None) -> str:
    """What an error calls a row."""
    return f"data row {index + 1}" if lines is None else f"line {lines[index]}"


def _identities(cells: list[Any], name: str, lines: np.ndarray | None) -> list[str]:
    """The id of each row as text; one that is missing would join rows of several sequences."""
    absent = {cell for cell in dict.fromkeys(cells) if is_missing(cell)}
    if absent:
        row = next(row for row, cell in enumerate(cells) if is_missing(cell))
        raise DataError(
            f"column {name!r} says no id in {_row(row, lines)}.",
            expected="the id of its sequence in every row",
            received=repr(cells[row])[:60],
            fix="fill it in, or leave the row out; without ids nothing says which rows belong together",
        )
    return [str(cell) for cell in cells]


def _rows_by_sequence(identities: Sequence[str], time: Any, time_name: str, place: Callable[[int], str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The rows' numbers, by sequence and then by time; where each sequence starts among them; the ids in order of appearance."""
    numbers: dict[str, int] = {}
    group = np.array([numbers.setdefault(identity, len(numbers)) for identity in identities])
    if time is None:
        order = np.argsort(group, kind="stable")
    else:
        moments = sortable(time, time_name, place)
        order = np.lexsort((moments, group))
        same = np.flatnonzero((np.diff(group[order]) == 0) & (moments[order][1:] == moments[order][:-1]))
        if same.size:
            row = order[same[0] + 1]
            raise DataError(
                f"sequence {identities[row]!r} has two rows with the same {time_name} ({place(row)}).",
                expected=f"each {time_name} once in a sequence",
                received=str(cells_of(time)[row])[:60],
                fix=f"correct the rows, or drop the column {time_name!r} to keep the order of the file",
            )
        if is_clock(time):
            _refuse_midnight(group, moments, time, time_name, place)
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    return order, starts, list(numbers)


def _refuse_midnight(group: np.ndarray, moments: np.ndarray, time: Any, name: str, place: Callable[[int], str]) -> None:
    """Raise where the rows of a sequence, in the order of the file, go on after midnight: sorted by the clock, the next day would come first."""
    by_file = np.argsort(group, kind="stable")
    for rows in np.split(by_file, np.flatnonzero(np.diff(group[by_file])) + 1):
        back = np.flatnonzero(np.diff(moments[rows]) < 0)
        if len(back) != 1 or moments[rows[-1]] > moments[rows[0]]:
            continue
        before, after = rows[back[0]], rows[back[0] + 1]
        cells = cells_of(time)
        if moment_of(cells[before]).key - moment_of(cells[after]).key > HALF_A_DAY:
            raise DataError(
                f"column {name!r} holds clock times without a date, and one goes back in {place(int(after))}: it may be another day.",
                expected="times that sort as they passed",
                received=f"{cells[after]!r:.40} after {cells[before]!r:.40}",
                fix=f"add the date to each time, or drop the column {name!r} to keep the order of the file",
            )


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
