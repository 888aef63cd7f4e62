"""The temperature of a classifier: what its logits are divided by, so that its probabilities are as often right as they say.

Source: Guo, Pleiss, Sun, Weinberger 2017, section 4.2, equation 9. They take the temperature at which what was held out is most likely. Of few rows, or of rows
that are all right, that may be any number; so here a temperature is thought the less likely beforehand, the farther it is from 1 (its logarithm is normal).
"""

from __future__ import annotations

import math

import numpy as np

from tenuto.scores.classification import log_softmax

DEVIATION = 0.5  # of the logarithm, beforehand: from 0.37 to 2.7 in 95 % of cases
WIDEST = 3.0  # the largest logarithm
_GOLDEN = (math.sqrt(5) - 1) / 2


def temperature_of(logits: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The temperature of what was held out.

    Args:
        logits: [N, K]. targets: [N] int, positions of the right classes. weights: [N], of which only proportions matter. Default: all alike.
    Example:
        >>> sure = np.array([[4.0, 0.0]] * 100)  # 98 % sure, and right in 80 of 100
        >>> round(temperature_of(sure, np.arange(100) // 80), 1)
        2.6
    """
    if not len(targets):
        return 1.0
    counts = np.ones(len(targets)) if weights is None else weights * (len(targets) / weights.sum())

    def unlikely(logarithm: float) -> float:
        losses = -log_softmax(logits / math.exp(logarithm))[np.arange(len(targets)), targets]
        return float(counts @ losses) + 0.5 * (logarithm / DEVIATION) ** 2

    grid = np.linspace(-WIDEST, WIDEST, 25)
    best = int(np.argmin([unlikely(one) for one in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    while high - low > 1e-4:  # golden section
        first, second = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, second) if unlikely(first) <= unlikely(second) else (first, high)
    return math.exp((low + high) / 2)
