"""What a check found: `Trust`, with a `Removal` and `Halves` for each item, and a `Likeness` to what random weights give. Plain numbers, which are saved with the explanation.

Shapes: C points of a curve, O random orders, S stages, W networks, N items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Removal:
    """What an item's answer does while its parts are taken away and the background stands in their place.

    An area is the mean of the answer over all shares of the parts, and a gain is what is better in it than in random order, in units of the answer: above 0 where the
    order of the values is better. An insertion begins with the background and adds the parts with the largest values first. That is the curve of "smallest first" read backwards.

    Attributes:
        parts: how many there are: players, tokens, or cells. shares: [C] of the parts that are taken away, from 0 to 1.
        largest_first, smallest_first: [C] the answer, with the parts ordered by value. random, random_error: [C] its mean over random orders, and the standard error of that.
        random_areas: [O], under the curve of each random order.
        steps: how many parts were taken away one by one for the joint scores.
        cpd: the sum of |change of the answer| over these steps, the largest sizes first (cumulative prediction difference). cpp: the same, the smallest sizes first
            (cumulative prediction preservation). random_sums: [O], the same for each random order.
    """

    parts: int
    shares: tuple[float, ...]
    largest_first: tuple[float, ...]
    smallest_first: tuple[float, ...]
    random: tuple[float, ...]
    random_error: tuple[float, ...]
    random_areas: tuple[float, ...]
    steps: int
    cpd: float
    cpp: float
    random_sums: tuple[float, ...]

    @property
    def deletion(self) -> float:
        """The area under the answer while the largest values are taken away first."""
        return area(self.shares, self.largest_first)

    @property
    def insertion(self) -> float:
        """The area under the answer while the largest values are added first."""
        return area(self.shares, self.smallest_first)

    @property
    def deletion_gain(self) -> float:
        """How much smaller the area of a deletion is than in random order."""
        return float(np.mean(self.random_areas)) - self.deletion

    @property
    def insertion_gain(self) -> float:
        """How much larger the area of an insertion is than in random order."""
        return self.insertion - float(np.mean(self.random_areas))

    @property
    def area_error(self) -> float:
        """The standard error of the mean area of random orders."""
        return float(np.std(self.random_areas, ddof=1) / np.sqrt(len(self.random_areas)))


@dataclass(frozen=True)
class Halves:
    """The earlier and the later half of an item's steps; a step in the middle counts half in each.

    Attributes:
        values_early, values_late: the size of all values there. sums_early, sums_late: the size of their sum.
        influence_early, influence_late: |answer - answer without this half|, the truth that the values should follow.
    """

    values_early: float
    values_late: float
    sums_early: float
    sums_late: float
    influence_early: float
    influence_late: float

    @property
    def values_share(self) -> float | None:
        """The share of the size of all values that lies in the earlier half; None where all are zero."""
        return _share(self.values_early, self.values_late)

    @property
    def sums_share(self) -> float | None:
        """The same of the sums, in which values of both signs cancel, as they do where a half is taken away."""
        return _share(self.sums_early, self.sums_late)

    @property
    def influence_share(self) -> float | None:
        """The share of the earlier half in what taking away either half changes; None where nothing changes."""
        return _share(self.influence_early, self.influence_late)


@dataclass(frozen=True)
class Likeness:
    """How much of the values networks with random weights give too, as rank correlations between the parts of an item (Spearman).

    Attributes:
        stages: what had random weights, from the head alone to all of the model.
        values, sizes: [S, W] the correlation of the values, and of their sizes, with those of each network; the mean over the items.
        items_values, items_sizes: [N] the same of the last stage, the mean over the networks; None for an item with fewer than three parts, or with values that are all the same.
        left_out: how many random networks gave no finite answers or could not be explained.
    """

    stages: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    sizes: tuple[tuple[float, ...], ...]
    items_values: tuple[float | None, ...]
    items_sizes: tuple[float | None, ...]
    left_out: int = 0


@dataclass(frozen=True)
class Trust:
    """What a check found.

    Attributes:
        settings: of the check. background: what stood in the place of what was taken away.
        signed: whether a value says what its cell adds; otherwise only its size counts, and the curves fall with the distance from the answer.
        removals, halves: of each item; None for an item of one part, and of one step. likeness: to random weights; None where nothing could be compared.
    """

    settings: Mapping[str, int]
    background: str
    signed: bool
    removals: tuple[Removal | None, ...]
    halves: tuple[Halves | None, ...]
    likeness: Likeness | None

    def plain(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        return asdict(self)


def area(shares: Any, curve: Any) -> float:
    """Under a curve, by trapezia."""
    x, y = np.asarray(shares), np.asarray(curve)
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum())


def early_and_late(by_step: np.ndarray) -> tuple[float, float]:
    """The sums [T] over the earlier and the later half; a step in the middle counts half in each."""
    half, odd = divmod(len(by_step), 2)
    middle = float(by_step[half]) / 2 if odd else 0.0
    return float(by_step[:half].sum()) + middle, float(by_step[half + odd :].sum()) + middle


def _share(early: float, late: float) -> float | None:
    return early / (early + late) if early + late > 0 else None
