"""Student's t in plain floats: an interval of a mean, and whether a mean of differences is zero; several tests at once by Holm's rule."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def mean_interval(values: Sequence[float], level: float = 0.95, *, rounded: float = 0.0) -> tuple[float, float, float]:
    """The mean of values, and the ends of its interval by Student's t with n - 1 degrees; the ends are NaN for a single value.

    Args:
        rounded: values are known to the next multiple of this, as shares of few items are: their spread is not below that of such roundings.

    Example:
        >>> [round(one, 3) for one in mean_interval([1.0, 2.0, 3.0])]
        [2.0, -0.484, 4.484]
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan, math.nan
    half = quantile(len(values) - 1, level) * _spread(values, rounded) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def p_of(differences: Sequence[float], *, rounded: float = 0.0) -> float:
    """Two-sided p of the paired t test: how often a mean as far from zero comes of chance, if differences are normal around zero; 1 where there is one difference.

    Args:
        rounded: as for `mean_interval`. Without it, three differences of the same single item would have no spread, and be certain.

    Source:     Student 1908; with the tail as a regularised incomplete beta function, DLMF 8.17.
    Example:
        >>> round(p_of([1.0, 2.0, 3.0]), 4)
        0.0742
    """
    count = len(differences)
    if count < 2:
        return 1.0
    mean, spread = statistics.fmean(differences), _spread(differences, rounded)
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    return tail(count - 1, mean / (spread / math.sqrt(count)))


def _spread(values: Sequence[float], rounded: float) -> float:
    """The standard deviation, at least that of a difference of two numbers that were rounded: two uniform errors."""
    return max(statistics.stdev(values), rounded / math.sqrt(6))


def tail(degrees: int, t: float) -> float:
    """P(|T| > |t|) of Student's t, by the integral of its density over atan(t / sqrt(degrees)).

    With u = atan(t / sqrt(n)) the density is cos(u)^(n - 1), whose integral is a finite sum (Abramowitz & Stegun 1964, 26.7.3 and 26.7.4).
    """
    u = math.atan(abs(t) / math.sqrt(degrees))
    cosine, sine = math.cos(u), math.sin(u)
    if degrees % 2:
        term, total = cosine, 0.0
        for k in range(1, degrees, 2):
            total += term
            term *= cosine * cosine * (k + 1) / (k + 2)
        within = 2 / math.pi * (u + sine * total)
    else:
        term, total = 1.0, 0.0
        for k in range(0, degrees, 2):
            total += term
            term *= cosine * cosine * (k + 1) / (k + 2)
        within = sine * total
    return max(0.0, 1 - within)


def quantile(degrees: int, level: float) -> float:
    """The t within which Student's t lies with this probability.

    Example:
        >>> round(quantile(2, 0.95), 4), round(quantile(9, 0.95), 4)
        (4.3027, 2.2622)
    """
    low, high = 0.0, 1.0
    while tail(degrees, high) > 1 - level:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(degrees, middle) > 1 - level else (low, middle)
    return high


def holm(values: Sequence[float]) -> list[float]:
    """p of several tests, each made as large as all of them together need (Holm 1979).

    Example:
        >>> [round(one, 6) for one in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(values)), key=lambda place: values[place])
    found, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, values[place] * (len(values) - rank)))
        found[place] = least
    return found
