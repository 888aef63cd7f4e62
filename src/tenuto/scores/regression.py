"""The scores of a regression: errors, the share of the variance that is explained, intervals by the errors of a held-out part, and how many answers lie in them.

Shapes: N sequences, K targets, V sequences that were held out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenuto.data.weights import effective_count

LEVELS = (80, 95)  # per cent, of the intervals that a result counts
DRAWS = 500  # of the sequences, for the interval of a score


def conformal_widths(scores: np.ndarray, level: float) -> np.ndarray | None:
    """How many of its own deviations an interval reaches on each side of an answer, [K]; None where too few sequences were held out for this level.

    The interval of a new sequence then holds its target in at least `level` per cent of cases, if it is drawn as those that were held out.

    Args:
        scores: [V, K], sorted down each column: |error| / deviation of what was held out. level: per cent, 0..100.
    Source:     Papadopoulos et al. 2002, Lei et al. 2018: the ceil((V + 1) level)-th smallest of V scores.
    Example:
        >>> conformal_widths(np.array([[1.0], [2.0], [3.0], [4.0]]), 80).tolist(), conformal_widths(np.ones((4, 1)), 90)
        ([4.0], None)
    """
    place = math.ceil((len(scores) + 1) * level / 100 - 1e-9)
    return None if place > len(scores) else scores[max(place, 1) - 1]


def held_out_needed(level: float) -> int:
    """How many sequences must be held out for intervals of this level.

    Example:
        >>> held_out_needed(80), held_out_needed(95)
        (4, 19)
    """
    return math.ceil(level / (100 - level) - 1e-9)


def error_measures(predicted: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Root mean square error, mean absolute error, and R² (1 - squared errors / squared distances from the mean; NaN where all targets are alike), [K] each.

    Args:
        predicted, targets: [N, K]. weights: [N].
    Example:
        >>> found = error_measures(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))
        >>> {name: round(float(value[0]), 3) for name, value in found.items()}
        {'rmse': 1.414, 'mae': 1.0, 'r2': 0.111}
    """
    errors = targets - predicted
    square = np.average(errors**2, axis=0, weights=weights)
    spread = np.average((targets - np.average(targets, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
    share = np.divide(square, spread, out=np.full(square.shape, np.nan), where=spread > 0)
    return {"rmse": np.sqrt(square), "mae": np.average(np.abs(errors), axis=0, weights=weights), "r2": 1.0 - share}


def regression_result(
    predicted: np.ndarray,
    deviations: np.ndarray,
    targets: np.ndarray,
    names: Sequence[str],
    ids: Sequence[str],
    weights: np.ndarray | None = None,
    *,
    usual: np.ndarray,
    scale: np.ndarray,
    loss: float,
    widths: Mapping[int, np.ndarray | None],
    most: int = 50,
) -> dict[str, Any]:
    """The RESULT object of a regression in a run folder's evaluation.json (`runs/schema.py` says what each key means).

    Args:
        predicted, deviations, targets: [N, K], in the units of the targets. names: K. ids: N. weights: [N], not all zero.
        usual, scale: [K], mean and standard deviation of the targets in training.
        loss: nats. widths: of the intervals, in deviations, [K], by level; None where there are none.
        most: how many of the largest errors to list.
    """
    found, baseline = error_measures(predicted, targets, weights), error_measures(np.broadcast_to(usual, targets.shape), targets, weights)
    ranges = _ranges(predicted, targets, weights)
    inside = {level: None if wide is None else np.abs(targets - predicted) <= wide * deviations for level, wide in widths.items()}
    shares = {level: None if hits is None else np.average(hits, axis=0, weights=weights) for level, hits in inside.items()}
    errors = np.abs(targets - predicted) / scale
    worst = np.argsort(-errors.max(1), kind="stable")
    worst = worst[: min(most, len(worst))] if weights is None else worst[weights[worst] > 0][:most]
    return {
        "sequences": len(targets),
        **({} if weights is None else {"effective_sequences": effective_count(weights)}),
        "loss": loss,
        "rmse": float(np.sqrt(np.mean((found["rmse"] / scale) ** 2))),
        "mae": float(np.mean(found["mae"] / scale)),
        "r2": _mean(found["r2"]),
        "targets": [
            {
                "name": name,
                "rmse": float(found["rmse"][place]),
                "rmse_range": ranges[place],
                "mae": float(found["mae"][place]),
                "r2": _finite(found["r2"][place]),
                "rmse_of_mean": float(baseline["rmse"][place]),
                **{f"inside_{level}": None if share is None else float(share[place]) for level, share in shares.items()},
            }
            for place, name in enumerate(names)
        ],
        "worst": [
            {"id": ids[row], "target": names[place], "value": float(targets[row, place]), "predicted": float(predicted[row, place]), "error": float(predicted[row, place] - targets[row, place])}
            for row in worst
            for place in [int(errors[row].argmax())]
        ],
    }


def _ranges(predicted: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> list[list[float]]:
    """The 95 % interval of the root mean square error of each target: percentiles over sets of sequences drawn again (bootstrap)."""
    generator, count = np.random.default_rng(0), len(targets)
    square = (targets - predicted) ** 2
    found = np.empty((DRAWS, targets.shape[1]))
    for draw in range(DRAWS):
        rows = generator.integers(0, count, count)
        mine = None if weights is None else weights[rows]
        found[draw] = np.nan if mine is not None and not mine.any() else np.sqrt(np.average(square[rows], axis=0, weights=mine))
    low, high = np.nanpercentile(found, [2.5, 97.5], axis=0)
    return [[float(one), float(other)] for one, other in zip(low, high)]


def _mean(values: np.ndarray) -> float | None:
    return _finite(values.mean())


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
