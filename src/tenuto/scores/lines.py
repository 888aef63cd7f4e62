"""The simple lines that a forecast has to beat: the last value, the value one season before, drift, both, and two models of exponential smoothing (statsmodels)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np


def naive(past: np.ndarray, season: int, steps: int) -> np.ndarray:
    """The last value."""
    return np.full(steps, past[-1])


def seasonal_naive(past: np.ndarray, season: int, steps: int) -> np.ndarray:
    """The value one season before; the last value where there is no whole season."""
    return naive(past, season, steps) if len(past) < season else np.resize(past[-season:], steps)


def drift(past: np.ndarray, season: int, steps: int) -> np.ndarray:
    """The last value, plus the mean change of the whole series for each step."""
    return past[-1] + (past[-1] - past[0]) / max(len(past) - 1, 1) * np.arange(1, steps + 1)


def seasonal_drift(past: np.ndarray, season: int, steps: int) -> np.ndarray:
    """The value one season before, plus the mean change of the whole series for each step from there."""
    ahead = np.arange(1, steps + 1)
    change = (past[-1] - past[0]) / max(len(past) - 1, 1)
    return seasonal_naive(past, season, steps) + change * (season * -(-ahead // season) if len(past) >= season else ahead)


def holt_winters(past: np.ndarray, season: int, steps: int) -> np.ndarray:
    """Exponential smoothing with a damped trend, and a season where there are two of them; its factors where all values are positive."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    seasonal = None if season < 2 or len(past) < 2 * season + 2 else "mul" if (past > 0).all() else "add"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = ExponentialSmoothing(past, trend="add", damped_trend=True, seasonal=seasonal, seasonal_periods=season if seasonal else None).fit()
        return np.asarray(fitted.forecast(steps))


def theta(past: np.ndarray, season: int, steps: int) -> np.ndarray:
    """The theta method, with the season taken out first where there are two of them."""
    from statsmodels.tsa.forecasting.theta import ThetaModel

    seasonal = season > 1 and len(past) >= 2 * season + 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = ThetaModel(past, period=season if seasonal else 1, deseasonalize=seasonal, method="auto" if (past > 0).all() else "additive").fit()
        return np.asarray(fitted.forecast(steps))


Line = Callable[[np.ndarray, int, int], np.ndarray]
SIMPLE: dict[str, Line] = {"naive": naive, "seasonal naive": seasonal_naive, "drift": drift, "seasonal naive + drift": seasonal_drift}
MODELS: dict[str, Line] = {"Holt-Winters": holt_winters, "Theta": theta}


def line_forecast(line: Line, past: np.ndarray, season: int, steps: int) -> np.ndarray:
    """A line's forecast [steps] from the values [T] of a series so far, of which some may be missing; NaN where none is known, or where a model fails.

    Example:
        >>> line_forecast(drift, np.array([1.0, np.nan, 3.0]), 1, 2).tolist()
        [4.0, 5.0]
    """
    return line_forecasts({"": line}, past, season, steps)[""]


def line_forecasts(lines: Mapping[str, Line], past: np.ndarray, season: int, steps: int) -> dict[str, np.ndarray]:
    """The same of several lines, by their names."""
    there = np.flatnonzero(~np.isnan(past))
    if not there.size:
        return {name: np.full(steps, np.nan) for name in lines}
    past = past[there[0] :].copy()
    for at in np.flatnonzero(np.isnan(past)):  # as a season ago, else as just before
        past[at] = past[at - season] if at >= season else past[at - 1]
    return {name: _tried(line, past, season, steps) for name, line in lines.items()}


def _tried(line: Line, past: np.ndarray, season: int, steps: int) -> np.ndarray:
    try:
        found = np.asarray(line(past, season, steps), dtype=np.float64)
    except (ValueError, np.linalg.LinAlgError, FloatingPointError, ZeroDivisionError, IndexError):
        return np.full(steps, np.nan)
    return found if np.isfinite(found).all() else np.full(steps, np.nan)
