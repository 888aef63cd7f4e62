"""`Covariate`: a column beside the values, as numbers: standardised, or one number for each of its categories, by what training has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tenuto.choices import did_you_mean
from tenuto.data.frame import is_missing
from tenuto.data.series.panel import Panel, called
from tenuto.errors import DataError

MOST_CATEGORIES = 64
LIMIT = 10.0  # deviations from the mean


@dataclass(frozen=True)
class Covariate:
    """One column.

    Attributes:
        name, kind: its name, and "known", "past" or "static".
        mean, deviation: of its numbers in training. categories: those of training, where it has no numbers; one that training did not have, is none of them.
    """

    name: str
    kind: str
    mean: float = 0.0
    deviation: float = 1.0
    categories: tuple[str, ...] | None = None

    @property
    def outputs(self) -> list[str]:
        """The names of the numbers that it becomes."""
        return [self.name] if self.categories is None else [f"{self.name}={category}" for category in self.categories]

    def numbers(self, cells: np.ndarray) -> np.ndarray:
        """Cells [n] as [n, outputs] float32; a missing one is the mean, or no category."""
        if self.categories is not None:
            places = {category: place for place, category in enumerate(self.categories)}
            found = np.zeros((len(cells), len(places)), dtype=np.float32)
            for row, cell in enumerate(cells):
                place = None if is_missing(cell) else places.get(_category(cell))
                if place is not None:
                    found[row, place] = 1
            return found
        numbers = cells if cells.dtype.kind == "f" else np.array([_number(cell, self.name) for cell in cells], dtype=np.float64)
        scaled = (np.where(np.isfinite(numbers), numbers, self.mean) - self.mean) / self.deviation
        return np.clip(scaled, -LIMIT, LIMIT).astype(np.float32)[:, None]

    def cell(self, panel: Panel, row: int) -> Any:
        """A static covariate's one cell for a series."""
        return panel.static[self.name][row] if self.name in panel.static else panel.columns[self.name][row][0]

    def require(self, panel: Panel) -> None:
        """Raise DataError if the panel does not have it; one of a whole series must be the same in all its rows."""
        there = [*panel.columns, *(panel.static if self.kind == "static" else ())]
        if self.name not in there:
            raise DataError(f"the data has no column {self.name!r}.", expected=f"the covariates that are {self.kind}", received=", ".join(there) or "no column beside the values", fix=did_you_mean(self.name, there, "add it"))
        if self.kind == "static" and self.name not in panel.static:
            for row, cells in enumerate(panel.columns[self.name]):
                if len({_category(cell) for cell in cells if not is_missing(cell)}) > 1:
                    raise DataError(f"{self.name!r} is static, but changes within {called(panel.ids[row])}.", expected="one value for each series", fix="name it among those that are known of the future, or those of the past")

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return {"name": self.name, "kind": self.kind, "mean": self.mean, "deviation": self.deviation, "categories": None if self.categories is None else list(self.categories)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Covariate:
        """What `to_data` gave."""
        return cls(data["name"], data["kind"], data["mean"], data["deviation"], None if data["categories"] is None else tuple(data["categories"]))


def learn_covariates(panel: Panel, names: Sequence[str], kind: str) -> tuple[Covariate, ...]:
    """These columns of a training panel, of which nothing after each series' last value is read.

    Raises:
        DataError: a column is not there, has an infinite number, or has too many categories.
    """
    found = []
    for name in names:
        one = Covariate(name, kind)
        one.require(panel)
        if kind == "static":
            cells = [one.cell(panel, row) for row in range(len(panel))]
        elif all(column.dtype.kind == "f" for column in panel.columns[name]):
            whole = np.concatenate([column[: len(values)] for values, column in zip(panel.values, panel.columns[name])])
            found.append(_numeric(one, whole[~np.isnan(whole)]))
            continue
        else:
            cells = [cell for values, column in zip(panel.values, panel.columns[name]) for cell in column[: len(values)].tolist()]
        there = [cell for cell in cells if not is_missing(cell)]
        if all(isinstance(cell, (int, float, np.number)) for cell in there):
            found.append(_numeric(one, np.array(there, dtype=np.float64)))
            continue
        counts = Counter(_category(cell) for cell in there)
        if len(counts) > MOST_CATEGORIES:
            raise DataError(f"{name!r} has {len(counts)} categories.", expected=f"numbers, or at most {MOST_CATEGORIES} categories", fix="put rare ones together, or leave the column out")
        found.append(Covariate(name, kind, categories=tuple(sorted(counts))))
    return tuple(found)


def _numeric(one: Covariate, numbers: np.ndarray) -> Covariate:
    """The covariate with mean and deviation of these numbers."""
    if not np.isfinite(numbers).all():
        raise DataError(f"{one.name!r} has an infinite value.", expected="finite numbers, or nothing where a value is missing")
    return replace(one, mean=float(numbers.mean()), deviation=float(numbers.std()) or 1.0) if numbers.size else one


def _category(cell: Any) -> str:
    return str(cell)


def _number(cell: Any, name: str) -> float:
    try:
        return float("nan") if is_missing(cell) else float(cell)
    except (TypeError, ValueError):
        raise DataError(f"{name!r} was a column of numbers in training, but has {str(cell)[:40]!r} now.", expected="a number") from None
