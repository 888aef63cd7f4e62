"""Targets: the numbers that a regression learns to tell of each sequence, one or several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tenuto.choices import unknown_name
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.frame import cells_of, columns_of, is_frame, is_missing
from tenuto.data.sequences.columns import Columns
from tenuto.errors import DataError, ShapeError
from tenuto.tongues import either

_LARGEST = float(np.finfo(np.float32).max)


def as_targets(given: Any, names: Iterable[Any] | None, ids: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...], bool]:
    """Targets as [N, K] float64, the name of each, and whether they were given as [N], one for each sequence.

    Args:
        given: [N] or [N, K] numbers: a list, an array, a tensor, a column, or a data frame, whose columns name the targets.
        names: K of them. Default: those of a data frame, else "target", or "target 0", "target 1", ...
        ids: of the N sequences, for messages.
    Raises:
        ShapeError: another shape. DataError: a target is missing, infinite or no number, or the names are not one for each.
    Example:
        >>> as_targets([1.5, 2], None, ["a", "b"])
        (array([[1.5],
               [2. ]]), ('target',), True)
    """
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    if is_frame(given):
        columns = columns_of(given)
        names = list(columns) if names is None else names
        given = list(zip(*(cells_of(column) for column in columns.values())))
    rows = given.tolist() if isinstance(given, np.ndarray) else list(given)
    single = not any(isinstance(row, (list, tuple)) or getattr(row, "ndim", 0) for row in rows)
    cells = [[row] for row in rows] if single else [list(row) if hasattr(row, "__len__") else [row] for row in rows]
    if len(cells) != len(ids):
        raise ShapeError("there are not as many targets as sequences.", expected=f"[{len(ids)}] or [{len(ids)}, K]", received=f"{len(cells)} of them", fix="give each sequence its target")
    width = len(cells[0])
    for identity, row in zip(ids, cells):
        if len(row) != width or not width:
            raise ShapeError(f"sequence {identity!r} has {len(row)} targets, but sequence {ids[0]!r} has {width}.", expected="[N], or [N, K] with K of 1 or more")
    usual = ["target"] if width == 1 else [f"target {number}" for number in range(width)]
    named = tuple(usual if names is None else (str(name) for name in names))
    if len(named) != width or len(set(named)) < width:
        raise DataError("there is not a name of its own for each target.", expected=f"{width} different names", received=", ".join(named[:8]))
    found = np.array([[_number(cell, name, identity) for cell, name in zip(row, named)] for identity, row in zip(ids, cells)], dtype=np.float64)
    return found, named, single


def require_targets(names: Sequence[str], columns: Columns) -> None:
    """Raise DataError where a column with targets is not there."""
    lacking = next((name for name in columns.targets if name not in names), None)
    if lacking is not None:
        raise unknown_name(
            f"there is no column {lacking!r} with the target.", lacking, names, kind=DataError, fix=f"say which column has the numbers to predict: {either('Columns(targets=(NAME,))', '--target-column NAME')}"
        )


def answers_of(found: Mapping[Any, Sequence[Any]], columns: Columns, ids: Sequence[str], form: Form = USUAL_FORM) -> dict[str, Any]:
    """The labels, or the targets, of a file as `Sequences` takes them.

    Args:
        found: a cell for each sequence, by the name of the column; only columns that were read. ids: of the sequences, for messages. form: how numbers are written.
    Raises:
        DataError: a target is empty or no number; the message names the sequence.
    """
    if not columns.targets:
        return {"labels": found.get(columns.label)}
    if not all(name in found for name in columns.targets):
        return {}
    read = [[_number(_pointed(cell, form), name, identity) for cell, identity in zip(found[name], ids)] for name in columns.targets]
    return {"targets": read[0] if len(read) == 1 else list(zip(*read)), "target_names": columns.targets}


def _pointed(cell: Any, form: Form) -> Any:
    try:
        return form.number(cell) if isinstance(cell, str) and not is_missing(cell) else cell
    except ValueError:
        return cell


def _number(cell: Any, name: str, identity: str) -> float:
    """One target.

    Raises:
        DataError: as `as_targets`.
    """
    what = "is missing" if is_missing(cell) else ""
    if not what:
        try:
            value = float(cell)
            if isinstance(cell, complex):
                raise TypeError
            if abs(value) <= _LARGEST:
                return value
            what = "is infinite"
        except (TypeError, ValueError, OverflowError):
            what = "is no number"
    raise DataError(
        f"the target {name!r} of sequence {identity!r} {what}.",
        expected="a finite number of float32, |y| < 3.4e38",
        received=repr(cell)[:60],
        fix="leave the sequence out" if what == "is missing" else "correct it; classes are for SequenceClassifier and `tenuto fit classify`",
    )
