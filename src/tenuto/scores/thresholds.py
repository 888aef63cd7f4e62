"""Thresholds of scores, such that a normal step lies above one with a given small probability: a quantile of scores that were seen, or an extreme-value fit to the largest of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

LEAST_SCORES = 100  # for an extreme-value fit
PEAKS = 0.02  # the share of scores that are peaks; more where these would be fewer than LEAST_PEAKS
LEAST_PEAKS = 20


class Tail(NamedTuple):
    """Above `start` lie `share` of the scores; how far above, follows a generalised Pareto distribution of this `shape` and `width`."""

    start: float
    share: float
    shape: float
    width: float

    def threshold(self, rate: float) -> float:
        """The value above which a score lies with the probability `rate`, below `share`.

        Source:     Siffert et al. 2017 (SPOT), equation 1.
        """
        ratio = rate / self.share
        if abs(self.shape) < 1e-9:
            return self.start - self.width * math.log(ratio)
        return self.start + self.width / self.shape * (ratio**-self.shape - 1)


def tail_of(scores: np.ndarray) -> Tail:
    """The tail of at least 100 scores [n], by peaks over a threshold; the fit is that of probability-weighted moments.

    Source:     Hosking & Wallis 1987, "Parameter and quantile estimation for the generalized Pareto distribution", section 3, with k = -shape and plotting positions (i - 0.35) / n.
    """
    share = max(PEAKS, LEAST_PEAKS / len(scores))
    start = float(np.quantile(scores, 1 - share))
    peaks = np.sort(scores[scores > start]) - start
    if len(peaks) < 2 or peaks[-1] == peaks[0]:
        return Tail(start, max(len(peaks), 1) / len(scores), 0.0, float(peaks.mean()) if len(peaks) else 0.0)
    above = 1 - (np.arange(1, len(peaks) + 1) - 0.35) / len(peaks)
    mean, weighted = float(peaks.mean()), float((above * peaks).mean())
    return Tail(start, len(peaks) / len(scores), 2 - mean / (mean - 2 * weighted), 2 * mean * weighted / (mean - 2 * weighted))


def quantile_threshold(scores: np.ndarray, rate: float) -> float | None:
    """The score of rank ceil((n + 1) (1 - rate)) of n: a further one lies above it with the probability `rate` at most. None where n is too small for that.

    Example:
        >>> quantile_threshold(np.arange(99.0), 0.05), quantile_threshold(np.arange(5.0), 0.05)
        (94.0, None)
    """
    rank = math.ceil((len(scores) + 1) * (1 - rate) - 1e-9)
    return None if rank > len(scores) else float(np.sort(scores)[rank - 1])
