"""How much of what items differ by their classes explain."""

from __future__ import annotations

import numpy as np


def share_explained(values: np.ndarray, classes: np.ndarray) -> float:
    """The share of the variance of all features together that lies between classes, less what as many classes would explain by chance; 0..1, and 1 where nothing differs or each item is a class of its own.

    Args:
        values: [N, F] float. classes: [N] int, the class of each item.
    Source:     the adjusted coefficient of determination (Ezekiel 1930) of a one-way analysis of variance.
    Example:
        >>> share_explained(np.array([[1.0], [1.0], [3.0], [3.0]]), np.array([0, 0, 1, 1])), share_explained(np.array([[1.0], [3.0], [1.0], [3.0]]), np.array([0, 0, 1, 1]))
        (1.0, 0.0)
    """
    names = np.unique(classes)
    total = float(np.square(values - values.mean(0)).sum())
    if total == 0 or len(names) >= len(values):
        return 1.0
    within = sum(float(np.square(values[classes == name] - values[classes == name].mean(0)).sum()) for name in names)
    return max(0.0, 1 - (within / (len(values) - len(names))) / (total / (len(values) - 1)))
