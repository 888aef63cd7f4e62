"""What only a regression's evaluation.json has: measured and predicted numbers, for a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MOST = 600  # points of a picture


def points(
    name: str, targets: Sequence[str], ids: Sequence[str], values: np.ndarray, predicted: np.ndarray, deviations: np.ndarray, widths: Mapping[int, np.ndarray | None]
) -> list[dict[str, Any]]:
    """For each target the numbers of some sequences, evenly over the set, with the narrowest interval that there is.

    Args:
        name: of the set. values, predicted, deviations: [N, K]. widths: of intervals by level, [K], in deviations.
    """
    level, width = next(((level, width) for level, width in widths.items() if width is not None), (None, None))
    rows = np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST)).astype(int))
    return [
        {
            "target": target,
            "set": name,
            "level": level,
            "ids": [ids[row] for row in rows],
            "values": _short(values[rows, place]),
            "predicted": _short(predicted[rows, place]),
            "half": None if width is None else _short(width[place] * deviations[rows, place]),
        }
        for place, target in enumerate(targets)
    ]


def _short(values: np.ndarray) -> list[float]:
    """Five significant digits are enough for a picture."""
    return [float(f"{value:.5g}") for value in values]
