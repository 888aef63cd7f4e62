"""What the units of a layer stand for: with which input each goes along, with the position in time, and how well it tells the answers apart.

Source: the correlation is Pearson's, over all steps of all items. Between answers it is eta squared (Pearson 1911; Fisher's ratio of sums of squares): the share of a
unit's variance that lies between the means of the answers.
Letters: N steps or items, H units, F inputs, K answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Selectivity:
    """What each unit goes along with. A number that cannot be told, since something does not change, is nan.

    Attributes:
        inputs: [H, F], correlations with each input at the same step; None where the layer's steps are not those of the input.
        time: [H], with the position, counted from the item's beginning. answers: [H], eta squared; None where there are not two answers with two values each.
        of_answers: whose answers these are, in words.
    """

    inputs: np.ndarray | None
    time: np.ndarray
    answers: np.ndarray | None
    of_answers: str


def correlations(units: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[H, F]: Pearson's correlation of the columns of [N, H] with those of [N, F]; nan where one of them is the same everywhere."""
    one, other = (_standard(values) for values in (units, others))
    found: np.ndarray = np.clip(one.T @ other / max(len(one), 1), -1.0, 1.0)
    return found


def eta_squared(units: np.ndarray, answers: Sequence[str]) -> np.ndarray | None:
    """[H]: the share of the variance of [N, H] that lies between N answers; None unless there are two answers with two values each."""
    kinds, which, counts = np.unique(np.asarray(answers, dtype=str), return_inverse=True, return_counts=True)
    if len(kinds) < 2 or (counts >= 2).sum() < 2:
        return None
    values = units.astype(np.float64)
    centred = values - values.mean(0)
    between = np.zeros(values.shape[1])
    for kind, count in enumerate(counts):
        between += count * centred[which == kind].mean(0) ** 2
    whole = (centred**2).sum(0)
    return np.where(_still(values), np.nan, between / np.where(whole > 0, whole, 1.0))


def selectivity_of(
    units: Sequence[np.ndarray], inputs: Sequence[np.ndarray] | None, answers: Sequence[str] | None, answered: np.ndarray | None, of_answers: str
) -> Selectivity:
    """Of [T_i, H] for each item.

    Args:
        inputs: [T_i, F] for each item. answers: N of them. answered: [N, H], the units' values that go with these.
    """
    every = np.concatenate(units)
    steps = np.concatenate([np.arange(len(values)) for values in units])[:, None]
    found = None if inputs is None else correlations(every, np.concatenate(inputs))
    told = None if answers is None or answered is None else eta_squared(answered, answers)
    return Selectivity(found, correlations(every, steps)[:, 0], told, of_answers)


def _still(values: np.ndarray) -> np.ndarray:
    """Which columns do not change, rounding aside."""
    spread = values.max(0) - values.min(0)
    still: np.ndarray = spread <= 1e-12 * np.abs(values).max(0)
    return still


def _standard(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and deviation 1; nan where a column does not change."""
    values = values.astype(np.float64)
    still = _still(values)
    centred = values - values.mean(0)
    scale = np.sqrt((centred**2).mean(0))
    found: np.ndarray = np.where(still, np.nan, centred / np.where(still | (scale == 0), 1.0, scale))
    return found
