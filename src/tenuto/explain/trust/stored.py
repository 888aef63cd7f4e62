"""A check read from a file that anybody may have written: every array has the shape that the page needs, or it is refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenuto.explain.trust.measures import Halves, Likeness, Removal, Trust


def trust_of(data: Any, items: int) -> Trust | None:
    """The `Trust` whose `plain` this is, for an explanation of so many items; None for None.

    Raises:
        LookupError, TypeError, ValueError: the data is something else.
    """
    if data is None:
        return None
    settings = {str(name): int(value) for name, value in dict(data["settings"]).items()}
    removals = tuple(None if one is None else _removal(one, settings["orders"]) for one in data["removals"])
    halves = tuple(None if one is None else Halves(**{name: _number(value) for name, value in one.items()}) for one in data["halves"])
    likeness = None if data["likeness"] is None else _likeness(data["likeness"])
    each = [removals, halves, *(() if likeness is None else (likeness.items_values, likeness.items_sizes))]
    if any(len(one) != items for one in each):
        raise ValueError(f"the check is of another number of items than {items}")
    return Trust(settings, str(data["background"]), bool(data["signed"]), removals, halves, likeness)


def _removal(data: Any, orders: int) -> Removal:
    points = len(data["shares"])
    curves = {name: _numbers(data[name], points) for name in ("shares", "largest_first", "smallest_first", "random", "random_error")}
    by_chance = {name: _numbers(data[name], orders) for name in ("random_areas", "random_sums")}
    return Removal(parts=int(data["parts"]), steps=int(data["steps"]), cpd=_number(data["cpd"]), cpp=_number(data["cpp"]), **curves, **by_chance)


def _likeness(data: Any) -> Likeness:
    stages = tuple(str(stage) for stage in data["stages"])
    values, sizes = (np.array(data[name], dtype=float) for name in ("values", "sizes"))
    if not stages or values.ndim != 2 or values.shape != sizes.shape or len(values) != len(stages) or not values.size:
        raise ValueError("the likeness to random weights has another shape")
    each = [tuple(None if one is None else _number(one) for one in data[name]) for name in ("items_values", "items_sizes")]
    return Likeness(stages, _rows(values), _rows(sizes), each[0], each[1], int(data["left_out"]))


def _rows(table: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in table.tolist())


def _numbers(data: Any, length: int) -> tuple[float, ...]:
    found = tuple(_number(one) for one in data)
    if len(found) != length or length < 2:
        raise ValueError(f"there are {len(found)} numbers in place of {length}")
    return found


def _number(value: Any) -> float:
    """null is what JSON has for a number that is not finite."""
    return float("nan" if value is None else value)
