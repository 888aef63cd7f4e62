"""Scores of forecasts: errors, errors in the changes of a series, weighted quantile losses, and how often an interval holds the value. A missing value counts nowhere.

Shapes: M forecasts, h steps ahead, Q quantiles. `tests/scores` compares each with utilsforecast.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

AT_ONCE = 4096  # forecasts whose losses are in memory


def mae(truth: np.ndarray, found: np.ndarray) -> float:
    """The mean absolute error."""
    return _mean(np.abs(truth - found))


def mse(truth: np.ndarray, found: np.ndarray) -> float:
    """The mean squared error."""
    return _mean((truth - found) ** 2)


def smape(truth: np.ndarray, found: np.ndarray) -> float:
    """The mean of |error| / (|value| + |forecast|), 0..1; 0 where both are 0."""
    size = np.abs(truth) + np.abs(found)
    return _mean(np.where(size == 0, np.where(np.isnan(size), np.nan, 0.0), np.abs(truth - found) / np.where(size == 0, 1.0, size)))


def seasonal_scale(values: np.ndarray, season: int) -> float:
    """The mean absolute change of a series [T] since `season` steps before; NaN where there is none, and where it is 0."""
    changes = np.abs(values[season:] - values[:-season]) if len(values) > season else np.zeros(0)
    scale = _mean(changes)
    return scale if scale > 0 else float("nan")


def mase(truth: np.ndarray, found: np.ndarray, series: np.ndarray, scales: np.ndarray) -> tuple[float, int]:
    """The mean absolute scaled error, the mean over series, and how many series are left out of it since their scale is 0 or not known.

    Args:
        truth, found: [M, h]. series: [M], which series each forecast is of. scales: [M], of that series (`seasonal_scale`).
    Example:
        >>> mase(np.array([[1.0], [3.0]]), np.array([[2.0], [3.0]]), np.array([0, 1]), np.array([0.5, np.nan]))
        (2.0, 1)
    """
    means, left_out = [], 0
    order = np.argsort(series, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(series[order])) + 1) if len(order) else []:
        scaled = _mean(np.abs(truth[rows] - found[rows]) / scales[rows][:, None])
        if np.isnan(truth[rows]).all():
            continue
        if np.isnan(scales[rows]).all():
            left_out += 1
        elif not np.isnan(scaled):
            means.append(scaled)
    return (float(np.mean(means)) if means else float("nan")), left_out


def ends_of(level: float) -> tuple[float, float]:
    """The quantiles at the ends of an interval.

    Args:
        level: per cent.
    Example:
        >>> ends_of(80), ends_of(95)
        ((0.1, 0.9), (0.025, 0.975))
    """
    return round(0.5 - level / 200, 6), round(0.5 + level / 200, 6)


def quantile_losses(truth: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Twice the pinball loss of each quantile, [M, h, Q]; NaN where a value is missing.

    Args:
        truth: [M, h]. quantiles: [M, h, Q]. levels: [Q].
    """
    level, short = np.asarray(levels), truth[..., None] - quantiles
    return 2 * np.maximum(level * short, (level - 1) * short)


def weighted_quantile_loss(truth: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> float:
    """Twice the pinball loss, summed over all values and divided by the sum of their sizes: the mean over the quantiles. NaN where all values are 0.

    Args:
        truth: [M, h]. quantiles: [M, h, Q]. levels: [Q].
    """
    size = float(np.nansum(np.abs(truth)))
    if size <= 0:
        return float("nan")
    losses = [np.nansum(quantile_losses(truth[first : first + AT_ONCE], quantiles[first : first + AT_ONCE], levels)) for first in range(0, len(truth), AT_ONCE)]
    return float(sum(losses) / len(levels) / size)


def crps(truth: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The continuous ranked probability score of S draws, by the fair estimator, whose mean does not depend on S: mean |x - y| minus half of the mean |x - x'| over pairs of different draws. [M, h]; NaN where a value is missing.

    Args:
        truth: [M, h]. samples: [M, S, h], two draws at least.
    Source:     Ferro 2014, "Fair scores for ensemble forecasts", equation 3.
    Example:
        >>> crps(np.array([[1.0]]), np.array([[[0.0], [4.0]]])).tolist()
        [[0.0]]
    """
    count = samples.shape[1]
    ranks = 2.0 * np.arange(1, count + 1) - count - 1  # the sum of |x - x'| over pairs is that of ranks times sorted draws
    spread = (np.sort(samples, axis=1) * ranks[:, None]).sum(1) / (count * (count - 1))
    return np.abs(samples - truth[:, None]).mean(1) - spread


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """[h], the share of values of each step that are within the interval; NaN where a step has no value."""
    there = ~np.isnan(truth)
    inside = there & (truth >= low) & (truth <= high)
    return np.where(there.any(0), inside.sum(0) / np.maximum(there.sum(0), 1), np.nan)


def _mean(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float("nan")
