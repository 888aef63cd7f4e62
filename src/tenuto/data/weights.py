"""Weights: how much each item of a set counts, in a loss and in what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tenuto.data.frame import cells_of, columns_of, is_frame, is_missing
from tenuto.errors import DataError, ShapeError


def as_weights(given: Any, ids: Sequence[str], noun: str) -> np.ndarray | None:
    """Weights as [N] float64; None stays None.

    Args:
        given: N numbers: a list, an array, a tensor, or a column.
        ids: of the items that they are for, and `noun` what these are: "sequences".
    Raises:
        ShapeError: not one for each item. DataError: a weight that is missing, infinite, negative or no number, or no weight above zero.
    Example:
        >>> as_weights([1, 0, 2.5], ["a", "b", "c"], "texts")
        array([1. , 0. , 2.5])
    """
    if given is None:
        return None
    cells = _cells(given)
    if len(cells) != len(ids):
        raise ShapeError(f"there are not as many weights as {noun}.", expected=f"[{len(ids)}], one for each of the {noun}", received=f"[{len(cells)}]")
    for identity, cell in zip(ids, cells):
        problem = _problem(cell)
        if problem:
            raise DataError(
                f"the weight of {noun.removesuffix('s')} {identity!r} {problem}.", expected="finite numbers, 0 or more", received=repr(cell)[:60], fix="a weight of 0 leaves the row out"
            )
    weights = np.array([float(cell) for cell in cells])
    if not weights.any():
        raise DataError("every weight is 0, so nothing would count.", expected="one or more weights above 0", received=f"{len(weights)} zeros")
    return weights


def taken(each: np.ndarray | None, positions: Any) -> np.ndarray | None:
    """What stands at these positions, of something that each item has, or none."""
    return None if each is None else each[positions]


def require_some(weights: np.ndarray | None, noun: str) -> None:
    """Raise DataError where all of these weights are zero: a part of a set may have no other."""
    if weights is not None and not weights.any():
        raise DataError(f"every one of these {noun} has the weight 0, so nothing counts.", expected="one or more weights above 0", fix="give other weights, or another part of the data")


def even(weights: np.ndarray | None) -> np.ndarray | None:
    """Weights whose mean is 1, without those that are zero; None where all are the same, so that nothing needs to be weighed.

    Example:
        >>> even(np.array([2.0, 6.0, 0.0])).tolist(), even(np.array([3.0, 3.0]))
        ([0.5, 1.5, 0.0], None)
    """
    if weights is None or (weights == weights[0]).all():
        return None
    scaled: np.ndarray = weights / weights.max()  # a sum of the largest numbers would be infinite
    return scaled / scaled[scaled > 0].mean()


def effective_count(weights: np.ndarray) -> float:
    """How many items of equal weight tell as much as these: (sum)² / sum of squares.

    Source:     Kish 1965.
    Example:
        >>> effective_count(np.array([1.0, 1.0, 0.0])), effective_count(np.array([2.0, 2.0, 2.0]))
        (2.0, 3.0)
    """
    scaled = weights / weights.max()
    return float(scaled.sum() ** 2 / (scaled**2).sum())


def _cells(given: Any) -> list[Any]:
    """The weights as a list of single values."""
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    if is_frame(given):
        columns = columns_of(given)
        if len(columns) != 1:
            raise ShapeError("the weights are a table of several columns.", expected="one column", received=", ".join(list(columns)[:8]), fix="give the column: table[NAME]")
        return cells_of(next(iter(columns.values())))
    if isinstance(given, np.ndarray) and given.ndim != 1:
        raise ShapeError(f"the weights have {given.ndim} axes.", expected="[N], one for each row", received=f"{list(given.shape)} {given.dtype}")
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        raise ShapeError("the weights are a single value.", expected="[N], one for each row", received=repr(given)[:60])
    return cells_of(given)


def _problem(cell: Any) -> str:
    """What is wrong with a weight, or an empty text."""
    if is_missing(cell):
        return "is missing"
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return "is not a number"
    if isinstance(cell, complex):
        return "is not a number"
    return "is infinite" if value in (float("inf"), float("-inf")) else "is negative" if value < 0 else ""
