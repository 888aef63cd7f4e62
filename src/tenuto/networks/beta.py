"""The regularised incomplete beta function as a logarithm, in plain floats: the tails of Student's t and of the negative binomial distribution. The same number has the same bits wherever it stands."""

from __future__ import annotations

import math

ENOUGH = 1e-15
MOST_TERMS = 100_000  # about the square root of the larger of a and b is needed


def log_beta_share(a: float, b: float, x: float, rest: float) -> float:
    """log I_x(a, b), where I_x is the share of the beta function's integral up to x.

    Args:
        a, b: above 0. x: 0..1. rest: 1 - x, given apart since it may be far smaller than x.
    Source:     the continued fraction of DLMF 8.17.22 by the method of Lentz (Press et al. 2007, section 6.4); the logarithm is taken before it can underflow.
    Example:
        >>> round(math.exp(log_beta_share(2.0, 3.0, 0.4, 0.6)), 12)
        0.5248
    """
    if rest <= 0:
        return 0.0
    if x <= 0:
        return -math.inf
    if x > (a + 1) / (a + b + 2):
        other = log_beta_share(b, a, rest, x) if rest <= (b + 1) / (a + b + 2) else math.log(0.5)
        return math.log1p(-math.exp(other)) if other < 0 else -math.inf
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return front + math.log(_fraction(a, b, x) / a)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction."""
    tiny = 1e-300
    upper, lower = 1.0, 1 - (a + b) * x / (a + 1)
    lower = 1 / (lower if abs(lower) > tiny else tiny)
    found = lower
    for m in range(1, MOST_TERMS):
        for term in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            lower, upper = 1 + term * lower, 1 + term / upper
            lower = 1 / (lower if abs(lower) > tiny else tiny)
            upper = upper if abs(upper) > tiny else tiny
            found *= lower * upper
        if abs(lower * upper - 1) < ENOUGH:
            break
    return found
