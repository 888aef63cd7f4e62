"""Sequences from tables: CSV, TSV, Parquet or data frames; here from long ones, which have one row for each time step, in `wide.py` from wide ones, and in
`triplets.py` from those with a row for each value.

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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.choices import did_you_mean, unknown_name
from tenuto.data.decode import naming
from tenuto.data.form import USUAL_FORM, Form, form_with
from tenuto.data.frame import cells_of, columns_of
from tenuto.data.rows import Table, read_table
from tenuto.data.sequences.by_sequence import grouped, one_each, pointed
from tenuto.data.sequences.channels import numbers, refuse_row_numbers
from tenuto.data.sequences.columns import USUAL, Columns, columns_with
from tenuto.data.sequences.moments import HALF_A_DAY, instants, is_clock, moment_of
from tenuto.data.sequences.sequences import Sequences
from tenuto.data.sequences.targets import answers_of, require_targets
from tenuto.data.sequences.times import distinct
from tenuto.data.sequences.triplets import is_triplets, roles_of_triplets, triplet_sequences
from tenuto.data.sequences.wide import is_wide, require_weight, told, under_names, weights_of, wide_sequences
from tenuto.data.source import Source
from tenuto.errors import DataError
from tenuto.tongues import either

_TABLE = Source("table")
_SAYING = either("Columns(id=..., time=..., label=...)", "--id-column, --time-column, --label-column")


def read_table_file(path: Path, columns: Columns, form: Form = USUAL_FORM, *, labels: bool = True) -> dict[str, Sequences]:
    """The parts of a table in a file, long or wide, by name; "all" where it has no split column.

    Args:
        columns: which column is what. form: how the file is written.
        labels: whether to read the labels.
    Raises:
        DataError: as in `tenuto.data.rows.read_table` and `sequences_from_columns`.
    """
    table = read_table(path, form, tell=told, roles=partial(_roles, columns=columns, labels=labels))
    try:
        return _parts(path, table, columns, labels)
    except DataError:
        if not table.quick:
            raise
    return _parts(path, read_table(path, form, tell=told), columns, labels)  # again, by lines, so that the error names one


def _parts(path: Path, table: Table, columns: Columns, labels: bool) -> dict[str, Sequences]:
    with naming(path):
        given, place = table.columns, partial(_row, lines=table.lines)
        if table.form.header == "no" and columns.id not in given and columns.table != "long":
            given, columns = under_names(path, given, columns, table.form, place)
        data, split = _sequences(given, columns, table.source, table.lines, table.form, labels=labels)
        return {"all": data} if split is None else data.parts(split)


def _roles(names: Sequence[str], columns: Columns, labels: bool) -> dict[str, bool] | None:
    """Which columns of a long table are read, and whether each is text; None where the table may be another one."""
    try:
        if columns.id not in names or is_wide(names, columns):
            return None
        if is_triplets(names, columns):
            return roles_of_triplets(names, columns, labels)
        if not set(columns.channels or ()) <= set(names):
            return None
    except DataError:  # Python's reader asks which it is
        return None
    about = [name for name in (columns.id, columns.time, columns.split, *(columns.answers if labels else ())) if name is not None and name in names]
    channels = columns.channels or [name for name in names if name not in columns.about]
    return {**dict.fromkeys(channels, False), **dict.fromkeys(about, True)}


def sequences_from_columns(table: Any, columns: Columns = USUAL, *, came_from: Source = _TABLE) -> tuple[Sequences, list[str] | None]:
    """Sequences from a table, long, wide or of triplets, and the split of each (None without such a column).

    Args:
        table: column name to `[rows]`: a dictionary of lists or arrays, or a data frame of pandas, polars or pyarrow.
        columns: which column is what.
        came_from: what to call the set, and where it came from.
    Raises:
        DataError: no id column, no rows, no channel, a cell that is not a number, a column that only numbers the rows, an empty id or time, times that
            cannot be compared, two rows of one sequence with the same time, or a label or split that is empty or changes within a sequence.
    """
    return _sequences(table, columns, came_from, None)


def _sequences(
    table: Any, columns: Columns, came_from: Source, lines: np.ndarray | None, form: Form = USUAL_FORM, *, labels: bool = True
) -> tuple[Sequences, list[str] | None]:
    given = columns_of(table)
    names = list(given)
    place = partial(_row, lines=lines)
    if is_wide(names, columns):
        return wide_sequences(given, columns, came_from, place, form, labels=labels)
    if is_triplets(names, columns):
        return triplet_sequences(given, columns, came_from, place, form, labels=labels)
    _require(names, columns)
    if labels:  # to predict, new data need not have them
        _require_named(names, columns)
        require_weight(names, columns)
    group, identities = grouped(given[columns.id], columns.id, place)
    channels = columns.channels or tuple(n for n in names if n not in columns.about)
    if not channels:
        raise DataError("the table has no channel.", expected=f"columns other than {', '.join(filter(None, columns.about))}")
    values = {channel: numbers(given[channel], channel, place, form) for channel in channels}
    if not columns.channels:
        refuse_row_numbers(values)
    frame = np.stack(list(values.values()), axis=1)  # [rows, C] float64
    del values
    order, starts, times = _rows_by_sequence(group, identities, pointed(given.get(columns.time), columns.time, place, form), columns.time, place)
    per_sequence: dict[str | None, list[Any]] = {
        column: one_each(given[column], column, order, starts, identities)
        for column in (*(columns.answers if labels else ()), columns.split)
        if column is not None and column in names
    }
    if (np.diff(order) != 1).any():
        frame = frame[order]
    weights = weights_of(per_sequence.get(columns.weight), form)
    learnt = answers_of(per_sequence, columns, identities, form)
    own_times = None if times is None else distinct(np.split(times[order], starts[1:]))
    data = Sequences(np.split(frame, starts[1:]), **learnt, ids=identities, channels=channels, weights=weights, times=own_times, came_from=came_from)
    return data, per_sequence.get(columns.split)


def _require(names: list[str], columns: Columns) -> None:
    for needed in (columns.id, *(columns.channels or ())):
        if needed not in names:
            raise DataError(
                f"there is no column {needed!r}.",
                expected=f"columns {columns.id}, {columns.time}, channels ..., {columns.label}; or a row for each sequence, with columns t0, t1, ...",
                received=", ".join(names) or "no column",
                fix=did_you_mean(
                    needed, names, f"give the columns these names, or say which are which with {_SAYING}; if each row is a whole sequence: {columns_with('table', 'wide')}; "
                    f"if the first line names no columns: {form_with('header', 'no')}; if they are separated otherwise: {form_with('separator')}",
                ),
            )


def _require_named(names: list[str], columns: Columns) -> None:
    """Raise where a column that was named is not there: the one that was meant would be taken for an input, or nothing would have a label."""
    for role in ("time",) if columns.targets else ("time", "label"):
        named = getattr(columns, role)
        if named not in names and named != getattr(USUAL, role):
            raise unknown_name(f"there is no column {named!r} for the {role}.", named, names, kind=DataError, fix=f"correct {either(role + '=', f'--{role}-column')}")
    require_targets(names, columns)


def _row(index: int, lines: np.ndarray | None) -> str:
    """What an error calls a row."""
    return f"data row {index + 1}" if lines is None else f"line {lines[index]}"


def _rows_by_sequence(
    group: np.ndarray, identities: Sequence[str], time: Any, time_name: str, place: Callable[[int], str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The rows' numbers, by sequence and then by time; where each sequence starts among them; and the time of each row, where there are times."""
    times = None
    if time is None:
        order = np.argsort(group, kind="stable")
    else:
        moments, times = instants(time, time_name, place)
        order = np.lexsort((moments, group))
        same = np.flatnonzero((np.diff(group[order]) == 0) & (moments[order][1:] == moments[order][:-1]))
        if same.size:
            row = order[same[0] + 1]
            raise DataError(
                f"sequence {identities[group[row]]!r} has two rows with the same {time_name} ({place(row)}).",
                expected=f"each {time_name} once in a sequence",
                received=str(cells_of(time)[row])[:60],
                fix=f"correct the rows, or drop the column {time_name!r} to keep the order of the file",
            )
        if is_clock(time):
            _refuse_midnight(group, moments, time, time_name, place)
    return order, np.flatnonzero(np.diff(group[order], prepend=-1)), times


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
