"""Sequences from tables of triplets, which have one row for each value that was measured: of whom, when, what, and what came out.

    id,time,variable,value,label
    stay-1,0,heart rate,88,home
    stay-1,0,Temp,36.9,home
    stay-1,95,heart rate,91,home
    stay-2,,,,ward              nothing was measured: the sequence is one step, in which all is missing

Each time at which anything was measured is a step of its sequence, at its own time; what was not measured then is missing (NaN). The variables are the channels, sorted by name.
A value that is empty was not measured. Of a data set of which the model knows more variables, the others were never measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tenuto.choices import unknown_name
from tenuto.data.arrow import Texts
from tenuto.data.form import Form
from tenuto.data.frame import cells_of
from tenuto.data.sequences.by_sequence import grouped, one_each, pointed
from tenuto.data.sequences.channels import numbers
from tenuto.data.sequences.columns import Columns, columns_with
from tenuto.data.sequences.moments import instants
from tenuto.data.sequences.sequences import Sequences
from tenuto.data.sequences.targets import answers_of, require_targets
from tenuto.data.sequences.times import distinct
from tenuto.data.sequences.wide import require_weight, weights_of
from tenuto.data.source import Source
from tenuto.errors import DataError


def is_triplets(names: Sequence[str], columns: Columns) -> bool:
    """Whether a table with these columns has one row for each value: it is said, or there are just the columns of such a table."""
    if columns.table != "auto":
        return columns.table == "triplets"
    parts = {columns.id, columns.time, columns.variable, columns.value}
    return parts <= set(names) <= parts | {columns.split, *columns.answers}


def roles_of_triplets(names: Sequence[str], columns: Columns, labels: bool) -> dict[str, bool] | None:
    """Which columns are read, and whether each is text; None where one is not there."""
    about = (columns.id, columns.time, columns.variable, columns.split, *(columns.answers if labels else ()))
    if not {columns.id, columns.time, columns.variable, columns.value} <= set(names):
        return None
    return {columns.value: False, **{name: True for name in about if name is not None and name in names}}


def triplet_sequences(
    given: Mapping[str, Any], columns: Columns, source: Source, place: Callable[[int], str], form: Form, *, labels: bool = True
) -> tuple[Sequences, list[str] | None]:
    """Sequences from a table of triplets, and the split of each (None without such a column).

    Args:
        given: column name to [rows]. place: what a message calls a row, given its number.
        labels: whether to read the labels.
    Raises:
        DataError: a column is not there, a value is no number, or of no variable, or at no time; a variable has two values at one time of a sequence.
    """
    names = list(given)
    for role in ("id", "time", "variable", "value"):
        if getattr(columns, role) not in names:
            raise unknown_name(
                f"there is no column {getattr(columns, role)!r}.", getattr(columns, role), names, kind=DataError,
                fix=f"a table of triplets has the columns id, time, variable and value; say which is which: {columns_with(role)}",
            )  # fmt: skip
    if labels:
        require_weight(names, columns)
        require_targets(names, columns)
    group, ids = grouped(given[columns.id], columns.id, place)
    value = numbers(given[columns.value], columns.value, place, form)
    variables, code = _variables(given[columns.variable])
    nameless = np.flatnonzero(~np.isnan(value) & (code < 0))
    if nameless.size:
        raise DataError(f"column {columns.variable!r} does not say what was measured in {place(int(nameless[0]))}.", expected="the name of a variable", fix="fill it in, or leave the row out")
    channels = tuple(columns.channels or sorted(variables))
    if not channels or not set(channels) <= set(variables):
        lacking = next((name for name in channels if name not in variables), "")
        raise unknown_name(f"the table has no variable {lacking!r}." if channels else "the table has no variable.", lacking, variables, kind=DataError, fix="correct the name of the channel")
    wanted = np.array([channels.index(name) if name in channels else -1 for name in variables] + [-1])  # the last is for rows without a variable
    measured = np.flatnonzero(~np.isnan(value) & (wanted[code] >= 0))
    values, times = _steps(measured, group, wanted[code], value, given[columns.time], columns, place, form, (ids, channels))
    by_file = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[by_file], prepend=-1))
    about = (*(columns.answers if labels else ()), columns.split)
    found: dict[str | None, list[Any]] = {name: one_each(given[name], name, by_file, starts, ids) for name in about if name is not None and name in names}
    data = Sequences(
        values, **answers_of(found, columns, ids, form), ids=ids, channels=channels, times=distinct(times), weights=weights_of(found.get(columns.weight), form), came_from=source
    )
    data.sparse = True
    return data, found.get(columns.split)


def _variables(column: Any) -> tuple[list[str], np.ndarray]:
    """The names of the variables, and for each row the number of its own, -1 where it has none. Only what is empty is none: sodium is Na."""
    cells, code = column.coded() if isinstance(column, Texts) else (cells_of(column), None)
    texts = ["" if cell is None or cell != cell else str(cell).strip() for cell in cells]
    known = {name: number for number, name in enumerate(name for name in dict.fromkeys(texts) if name)}
    own = np.array([known.get(text, -1) for text in texts], dtype=np.int64)
    return list(known), own if code is None else own[code]


def _steps(
    rows: np.ndarray, group: np.ndarray, channel: np.ndarray, value: np.ndarray, time: Any, columns: Columns, place: Callable[[int], str], form: Form, named: tuple[Sequence[str], Sequence[str]]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The values [T_i, C] and times [T_i] of each sequence, from the rows in which something was measured; a sequence without such a row has one step, in which all is missing.

    Args:
        group, channel, value, time: [rows], of the whole table. named: the ids and the channels.
    """
    ids, channels = named
    cells = pointed(time[:] if isinstance(time, Texts) else time, columns.time, place, form)
    cells = cells[rows] if isinstance(cells, np.ndarray) else [cells[row] for row in rows] if isinstance(cells, list) else np.asarray(cells)[rows]
    moments, at = instants(cells, columns.time, lambda row: place(int(rows[row])))
    group, channel, value = group[rows], channel[rows], value[rows]
    order = np.lexsort((channel, moments, group))
    group, channel, value, moments, at = group[order], channel[order], value[order], moments[order], at[order]
    begins = (np.diff(group, prepend=-1) != 0) | (np.diff(moments, prepend=moments[:1]) != 0)
    twice = np.flatnonzero(~begins & (np.diff(channel, prepend=-1) == 0))
    if twice.size:
        row = int(rows[order[twice[0]]])
        raise DataError(
            f"sequence {ids[group[twice[0]]]!r} has two values of {channels[channel[twice[0]]]!r} at the same {columns.time} ({place(row)}).",
            expected="each variable once at a time", received=f"{columns.time} {cells[order[twice[0]]]!r:.40}: {value[twice[0] - 1]:g} and {value[twice[0]]:g}",
            fix="keep one of them, or their mean",
        )  # fmt: skip
    step = np.cumsum(begins) - 1
    frame = np.full((int(begins.sum()), len(channels)), np.nan)
    frame[step, channel] = value
    owner, when = group[begins], at[begins]
    ends = np.searchsorted(owner, np.arange(len(ids) + 1))
    empty = np.full((1, len(channels)), np.nan)
    values = [frame[first:end] if end > first else empty for first, end in zip(ends, ends[1:])]
    return values, [when[first:end] if end > first else np.zeros(1) for first, end in zip(ends, ends[1:])]
