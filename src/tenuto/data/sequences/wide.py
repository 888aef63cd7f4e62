"""Sequences from a wide table, which has one row for each sequence and one column for each time step: under a header, or without one as in the UCR archive.

    label,t0,t1,t2                    1<TAB>-0.57<TAB>-0.52<TAB>NaN       .tsv or .txt: the class first, then the values
    walking,1.2,1.3,                  0<TAB>0.31<TAB>0.29<TAB>0.11
    running,3.1,3.0,3.3

A table with a header is wide if its columns, label and split left out, are numbered steps: t0, t1, ... or 0, 1, ... (also time, step, timestep, tp, att; in
any order). Names before the number that differ, `speed_0, speed_1, pulse_0, pulse_1`, are channels. Whatever might be a long table too is asked about.
Values that are missing at the end of a row, in all channels, are no steps: so are sequences of unequal length written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.data.compressed import suffix_of
from tenuto.data.delimited import cells_of_lines
from tenuto.data.form import Form, form_with
from tenuto.data.frame import cells_of, is_missing
from tenuto.data.sequences.channels import numbers
from tenuto.data.sequences.columns import Columns, columns_with
from tenuto.data.sequences.sequences import Sequences
from tenuto.data.sequences.targets import answers_of, require_targets
from tenuto.data.source import Source
from tenuto.errors import DataError

_NUMBERED = re.compile(r"(.*?)[ _.\-\[(]*(\d{1,9})[\])]?", re.ASCII | re.DOTALL)
_STEPS = re.compile(r"|t|ts|tp|time|step|timestep|time[ _.-]?step|timepoint|time[ _.-]?point|att|attribute", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?([eE][+-]?\d+)?", re.ASCII)
NO_LABEL = "none"
# Under this many numbered columns a table with ids is a long one, as such tables always were; more are hardly channels.
_PERHAPS_STEPS = 8


def is_wide(names: Sequence[str], columns: Columns) -> bool:
    """Whether a table with these columns, under a header, has one row for each sequence.

    Raises:
        DataError: it might be a long table as well; the message asks which, and names the option that says so.
    """
    if columns.table != "auto":
        return columns.table == "wide"
    groups = _groups([name for name in names if name not in (columns.id, columns.split, *columns.answers)])
    steps = groups is not None and all(_STEPS.fullmatch(prefix) for prefix in groups)
    count = len(next(iter(groups.values()))) if groups else 0
    if columns.id in names:
        if not steps or columns.time in names or count < _PERHAPS_STEPS or columns.channels:
            return False
    elif groups is None or count < 2 or columns.channels:
        return False
    elif steps:
        return True
    raise DataError(
        "it may be a wide table, with one row for each sequence, or a long one, with one row for each time step.",
        expected=f"a long table has a column {columns.id!r}, whose rows make a sequence; a wide one has columns t0, t1, ... for its steps",
        received=", ".join(names[:8]) + (f", ... ({len(names)} columns)" if len(names) > 8 else ""),
        fix=f"say which it is: {columns_with('table', 'wide')} or {columns_with('table', 'long')}",
    )


def wide_sequences(
    given: Mapping[str, Any], columns: Columns, source: Source, place: Callable[[int], str], form: Form, *, labels: bool = True
) -> tuple[Sequences, list[str] | None]:
    """Sequences from a wide table, and the split of each (None without such a column).

    Args:
        given: column name to [rows]. place: what a message calls a row, given its number.
        labels: whether to read the labels.
    Raises:
        DataError: no rows, no steps, a step that is missing, a column that is neither, a cell that is not a number, a row without a value, an empty label.
    """
    names = list(given)
    if labels:
        require_weight(names, columns)
        require_targets(names, columns)
    about = [name for name in (columns.id, columns.split, *columns.answers) if name is not None and name in given]
    groups = _steps_of([name for name in names if name not in about], columns)
    values = [np.stack([numbers(given[name], name, place, form) for name in group], axis=1) for group in groups.values()]  # [rows, steps] each
    if not len(values[0]):
        raise DataError("the table has no rows.", expected="one row for each sequence")
    found = {name: cells_of(given[name]) for name in about if labels or name not in columns.answers}
    for name, cells in found.items():
        absent = next((row for row, cell in enumerate(cells) if is_missing(cell)), None)
        if absent is not None:
            raise DataError(f"column {name!r} is empty in {place(absent)}.", expected=f"the {name} of each sequence", fix=f"fill it in, or drop the column {name!r}")
    ids = [str(cell) for cell in found[columns.id]] if columns.id in found else None
    if ids is not None and len(set(ids)) < len(ids):
        twice = next(row for row, identity in enumerate(ids) if identity in ids[:row])
        raise DataError(f"two rows have the id {ids[twice]!r} ({place(twice)}).", expected="one row for each sequence", fix=f"if rows of one id are its steps, say {columns_with('table', 'long')}")
    data = Sequences(
        [without_end(steps, place(row)) for row, steps in enumerate(np.stack(values, axis=2))],
        **answers_of(found, columns, ids or [place(row) for row in range(len(values[0]))], form),
        ids=ids,
        channels=list(groups) if len(groups) > 1 else None,
        weights=weights_of(None if columns.weight is None else found.get(columns.weight), form),
        came_from=source,
    )
    return data, [str(word) for word in found[columns.split]] if columns.split in found else None


def require_weight(names: Sequence[str], columns: Columns) -> None:
    """Raise DataError where the column that says how much a sequence counts is not there."""
    if columns.weight is not None and columns.weight not in names:
        raise DataError(
            f"there is no column {columns.weight!r} with the weights.",
            expected="how much each sequence counts, a number of 0 or more",
            received=", ".join(names[:12]),
            fix="correct the name (--weight-column), or leave it out: then all count alike",
        )


def weights_of(cells: Sequence[Any] | None, form: Form) -> list[Any] | None:
    """The cells of a column of weights, with points for the decimal commas of a file; None stays None.

    Raises:
        DataError: a cell is no number with a decimal comma, where numbers have one.
    """
    try:
        return None if cells is None else [form.number(cell) if isinstance(cell, str) else cell for cell in cells]
    except ValueError as error:
        raise DataError(f"in the column of the weights {error}.", expected="1,5", fix="correct the cell, or leave --decimal out") from None


def without_end(steps: np.ndarray, place: str) -> np.ndarray:
    """The values [T, C] of a sequence without those at its end that are missing in all channels.

    Raises:
        DataError: no value is left.
    """
    there = np.flatnonzero(~np.isnan(steps).all(axis=1))
    if not there.size:
        raise DataError(f"{place} has no value.", expected="one value or more", fix="leave it out")
    return steps[: there[-1] + 1]


# --- without a header ------------------------------------------------------------------------------------------------------


def told(path: Path, text: str, form: Form) -> Form:
    """How a table of numbers is written, as its first line tells: the separator of a .txt file, and whether there is a header.

    Raises:
        DataError: the first line may be a header or not.
    """
    first = _first_line(text)
    if suffix_of(path) == ".txt" and not form.separator:
        form = replace(form, separator="\t" if "\t" in first else ";" if ";" in first else "," if "," in first and form.decimal != "," else " ")
    if form.header != "auto":
        return form
    try:
        _, cells = next(cells_of_lines(path, first, form), (0, []))
    except DataError:  # a quoted cell of several lines: no number
        return form
    rest = cells if cells and _is_number(cells[0], form) else cells[1:] if cells and _is_number(cells[-1], form) else cells[:-1]
    if len(cells) < 2 or not rest or not all(_is_number(cell, form) for cell in rest):
        return form
    rest = [cell for cell in rest if not is_missing(cell)]
    values = np.array([float(form.number(cell)) for cell in rest])
    whole = all(_WHOLE.fullmatch(cell.strip()) for cell in rest)
    if len(rest) < len(cells) and whole:  # label,2019,2020
        return form
    even = len(values) < 2 or bool((np.diff(values) > 0).all() and np.allclose(np.diff(values), values[1] - values[0]))
    if even and (whole or not _recurs(text, cells[0], form.between(suffix_of(path)))):
        raise DataError(
            f"{path}: the first line may name the columns, or be the first sequence.",
            expected="names like t0, t1, ... in a header",
            received=", ".join(cell.strip() for cell in cells[:6]) + (", ..." if len(cells) > 6 else ""),
            fix=f"say which it is: {form_with('header', 'yes')} or {form_with('header', 'no')}",
        )
    return replace(form, header="no")


def _first_line(text: str) -> str:
    """The first line with something on it."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin) % (len(text) + 1)
        if not text[begin:end].isspace() and begin < end:
            return text[begin:end]
        begin = end + 1
    return ""


def _recurs(text: str, cell: str, separator: str) -> bool:
    """Whether this first cell of the first line is that of another line too, as no name of a column is."""
    cut = None if separator == " " else separator
    firsts = ((line.split(cut, 1) or [""])[0].strip() for line in text.split("\n"))
    return sum(first == cell.strip() for first in firsts) > 1


def under_names(path: Path, given: Mapping[str, Any], columns: Columns, form: Form, place: Callable[[int], str]) -> tuple[dict[str, Any], Columns]:
    """A table without a header as one whose columns are "label", "t0", "t1", ..., and what these are.

    Args:
        given: column number, as text, to [rows] of texts.
    Raises:
        DataError: which column holds the class is not said, and the file is not written as the UCR archive does it.
    """
    require_weight([], columns)
    count = len(given)
    cells = dict(given)
    position = _label_position(path, cells, columns, form, place)
    learnt = None if position is None else cells.pop(str(position))
    steps = {f"t{number}": column for number, column in enumerate(cells.values())}
    role = "target" if columns.targets else "label"
    named = {**({} if learnt is None else {role: learnt if columns.targets else [_label(cell) for cell in learnt]}), **steps}
    if count < 2:
        raise DataError("it has a single column.", expected="a class and values in each row", fix=f"say what separates the columns: {form_with('separator')}")
    steps_alone = Columns(id="", time="", label="", split="", table="wide")
    if learnt is None:
        return named, steps_alone
    return named, replace(steps_alone, targets=("target",)) if columns.targets else replace(steps_alone, label="label")


def _label_position(path: Path, given: Mapping[str, Any], columns: Columns, form: Form, place: Callable[[int], str]) -> int | None:
    count, named, role = len(given), columns.answers[0] or "", "target" if columns.targets else "label"
    if named == NO_LABEL:
        return None
    if re.fullmatch(r"-?\d{1,9}", named, re.ASCII):
        if not -count <= int(named) < count:
            raise DataError(f"there is no column {named} with the {role}.", expected=f"a column from 0 to {count - 1}, or from the end -1 to {-count}", received=f"{count} columns")
        return int(named) % count
    if columns.targets:
        raise DataError(
            "it has no header, and nothing says which column has the target.", expected="a header with the names of the columns, or the number of the column", received=f"{count} columns",
            fix=f"say which it is: {columns_with('target', '0')} for the first, -1 for the last, {NO_LABEL} if there are no targets",
        )
    row = None
    if suffix_of(path) != ".csv":
        row = next((row for row, cell in enumerate(given["0"]) if _is_number(cell, form) and not _WHOLE.fullmatch(cell.strip())), None)
        if row is None:
            return 0
    raise DataError(
        "it has no header, and nothing says which column is the class."
        if row is None
        else f"it has no header, and its first column is no class: in {place(row)} it holds {given['0'][row].strip()[:40]!r}.",
        expected="a header with the names of the columns; or a .tsv as in the UCR archive, with the class first",
        received=", ".join(given[name][0].strip()[:20] for name in list(given)[:3]) + f", ..., {given[str(count - 1)][0].strip()[:20]}",
        fix=f"say which it is by its number: {columns_with('label', '0')} for the first, {columns_with('label', '-1')} for the last; {columns_with('label', NO_LABEL)} if there are no labels",
    )


def _label(cell: str) -> str:
    """A class as text; 1.0000000e+00 is "1", as the archive writes it in other files."""
    text = cell.strip()
    return f"{float(text):.0f}" if _WHOLE.fullmatch(text) and len(text) < 24 and abs(float(text)) < 2**53 and float(text).is_integer() else text


def _is_number(cell: str, form: Form) -> bool:
    if is_missing(cell):
        return True
    try:
        float(form.number(cell))
    except ValueError:
        return False
    return True


# --- the columns that are steps --------------------------------------------------------------------------------------------


def _groups(names: Sequence[str]) -> dict[str, list[str]] | None:
    """The columns of each channel in the order of their steps; None unless all of them are numbered, each channel alike and without a gap."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name.strip())
        if match is None or int(match[2]) in found.setdefault(match[1], {}):
            return None
        found[match[1]][int(match[2])] = name
    counts = [sorted(steps) for steps in found.values()]
    if not counts or any(steps != list(range(counts[0][0], counts[0][0] + len(counts[0]))) for steps in counts):
        return None
    return {prefix: [steps[number] for number in sorted(steps)] for prefix, steps in found.items()}


def _steps_of(names: Sequence[str], columns: Columns) -> dict[str, list[str]]:
    """The columns of each channel; where they are not numbered, all are the steps of one channel, in the order of the table.

    Raises:
        DataError: no column, or some are numbered and others are not.
    """
    groups = _groups(names)
    if groups is not None:
        return groups
    others = [name for name in names if not _NUMBERED.fullmatch(name.strip())]
    if not names or (others and len(others) < len(names)) or columns.channels:
        raise DataError(
            f"column {others[0]!r} is no step of a wide table." if others else "the steps of the wide table are not numbered one after another.",
            expected=f"columns t0, t1, ...; beside them only {columns.id}, {columns.label} and {columns.split}",
            received=", ".join(names[:8]) + (", ..." if len(names) > 8 else "") or "no column",
            fix=f"drop the column, or say what it is: {columns_with('label')}, {columns_with('id')}, {columns_with('split')}",
        )
    if not others:
        raise DataError("the steps of the wide table have gaps, or occur twice.", expected="t0, t1, t2, ... of each channel", received=", ".join(names[:8]), fix="name the columns so")
    return {"": list(names)}
