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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.data.decode import naming
from tenuto.data.rows import read_table
from tenuto.data.sequences.sequences import Sequences
from tenuto.data.source import Source
from tenuto.errors import DataError

_TABLE = Source("table")
_NO_VALUE = {"", "?", "na", "n/a", "nan", "null", "none"}


@dataclass(frozen=True)
class Columns:
    """Which column is what, by name. `channels` names the columns with values; by default they are all other columns."""

    id: str = "id"
    time: str = "time"
    label: str = "label"
    split: str = "split"
    channels: tuple[str, ...] | None = None


USUAL = Columns()


def read_long_table(path: Path, columns: Columns) -> dict[str, Sequences]:
    """The parts of a table in a file, by name; "all" where it has no split column.

    Raises:
        DataError: as in `tenuto.data.rows.read_table` and `sequences_from_columns`.
    """
    table = read_table(path)
    with naming(path):
        data, split = _sequences(table.columns, columns, table.source, table.lines)
        return {"all": data} if split is None else data.parts(split)


def sequences_from_columns(table: Mapping[str, Any], columns: Columns = USUAL, *, came_from: Source = _TABLE) -> tuple[Sequences, list[str] | None]:
    """Sequences from a long table, and the split of each (None without such a column).

    Args:
        table: column name to `[rows]`: a dictionary of lists or arrays, or a pandas DataFrame.
        columns: which column is what.
        came_from: what to call the set, and where it came from.
    Raises:
        DataError: no id column, no rows, no channel, a cell that is not a number, two rows of one sequence with the same time, or a label or
            split that is empty or changes within a sequence.
    """
    return _sequences(table, columns, came_from, None)


def _sequences(table: Mapping[str, Any], columns: Columns, came_from: Source, lines: np.ndarray | None) -> tuple[Sequences, list[str] | None]:
    names = [str(column) for column in (table.columns if hasattr(table, "columns") else table)]
    _require(names, columns)
    identities = [str(value) for value in table[columns.id]]
    if not identities:
        raise DataError("the table has no rows.", expected="one row for each time step")
    channels = columns.channels or tuple(n for n in names if n not in (columns.id, columns.time, columns.label, columns.split))
    if not channels:
        raise DataError("the table has no channel.", expected=f"columns other than {columns.id}, {columns.time}, {columns.label}, {columns.split}")
    frame = np.stack([_numbers(table[channel], channel, lines) for channel in channels], axis=1).astype(np.float32)  # [rows, C]
    order, starts, first_ids = _rows_by_sequence(identities, table[columns.time] if columns.time in names else None, columns.time, lines)
    pieces = np.split(order, starts[1:])
    per_sequence = {}
    for column in (columns.label, columns.split):
        if column in names:
            cells = np.asarray(table[column])
            per_sequence[column] = [_constant(cells[piece], column, identity) for piece, identity in zip(pieces, first_ids)]
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
                fix="give the columns these names, or say which are which with Columns(id=..., time=..., label=...)",
            )


def _row(index: int, lines: np.ndarray | None) -> str:
    """What an error calls a row."""
    return f"data row {index + 1}" if lines is None else f"line {lines[index]}"


def _numbers(column: Any, name: str, lines: np.ndarray | None) -> np.ndarray:
    """A column of cells `[rows]` as float64; an error names the first cell that is not a number."""
    try:
        array = np.asarray(column)
        if array.dtype.kind in "biuf":
            return array.astype(np.float64)
        return np.array(["nan" if str(c).strip().lower() in _NO_VALUE else c for c in array.tolist()], dtype=np.float64)
    except (TypeError, ValueError):
        for row, cell in enumerate(list(column)):
            try:
                float(cell)
            except (TypeError, ValueError):
                if str(cell).strip().lower() not in _NO_VALUE:
                    raise DataError(
                        f"column {name!r} is not a number in {_row(row, lines)}.",
                        expected="a number, or an empty cell for a missing value",
                        received=repr(cell),
                        fix="leave the column out of the channels, or encode it as numbers",
                    ) from None
        raise


def _rows_by_sequence(identities: Sequence[str], time: Any, time_name: str, lines: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The rows' numbers, by sequence and then by time; where each sequence starts among them; the ids in order of appearance."""
    numbers: dict[str, int] = {}
    group = np.array([numbers.setdefault(identity, len(numbers)) for identity in identities])
    if time is None:
        order = np.argsort(group, kind="stable")
    else:
        moments = _moments(time, time_name, lines)
        order = np.lexsort((moments, group))
        same = np.flatnonzero((np.diff(group[order]) == 0) & (moments[order][1:] == moments[order][:-1]))
        if same.size:
            row = order[same[0] + 1]
            raise DataError(
                f"sequence {identities[row]!r} has two rows with the same {time_name} ({_row(row, lines)}).",
                expected=f"each {time_name} once in a sequence",
                received=str(list(time)[row]),
                fix=f"correct the rows, or drop the column {time_name!r} to keep the order of the file",
            )
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    return order, starts, list(numbers)


def _moments(time: Any, name: str, lines: np.ndarray | None) -> np.ndarray:
    """A time column as something that sorts: numbers, or dates."""
    array = np.asarray(time)
    if array.dtype.kind == "M":
        return array.astype("datetime64[ns]").astype(np.int64)
    try:
        moments = array.astype(np.float64)
    except (TypeError, ValueError):
        try:
            moments = np.array([np.datetime64(str(cell).strip().replace("Z", "")) for cell in array.tolist()], dtype="datetime64[ns]")
        except ValueError as error:
            raise DataError(
                f"column {name!r} has neither numbers nor dates: {error}.", expected="numbers, or dates like 2026-01-31T12:00:00"
            ) from error
        return moments.astype(np.int64)
    if np.isnan(moments).any():
        raise DataError(f"column {name!r} is empty in {_row(int(np.argmax(np.isnan(moments))), lines)}.", fix="give every row a time")
    return moments


def _constant(values: np.ndarray, name: str, identity: str) -> Any:
    """The one value that a column has in all rows of a sequence."""
    first = values[0]
    if (values != first).any():
        raise DataError(
            f"sequence {identity!r} has more than one {name}.",
            expected=f"the same {name} in all its rows",
            received=", ".join(sorted({repr(value) for value in values.tolist()})[:4]),
            fix=f"give rows with a different {name} a different id",
        )
    if first is None or (isinstance(first, float) and np.isnan(first)) or (isinstance(first, str) and not first.strip()):
        raise DataError(f"sequence {identity!r} has an empty {name}.", fix=f"fill it in, or drop the column {name!r}")
    return first.item() if isinstance(first, np.generic) else first
