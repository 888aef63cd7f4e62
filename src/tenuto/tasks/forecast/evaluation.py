"""What only a forecaster's evaluation.json has of a set: errors beside those of the simple lines, coverage by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from tenuto.data.series.panel import Panel
from tenuto.data.series.windows import Window
from tenuto.scores.forecasts import (
    AT_ONCE,
    coverage,
    ends_of,
    mae,
    mase,
    mse,
    quantile_losses,
    seasonal_scale,
    smape,
    weighted_quantile_loss,
)
from tenuto.scores.lines import MODELS, SIMPLE, line_forecasts

MOST_MODELLED = 24  # forecasts, at most, for which the lines that fit a model are computed: each takes up to a second


@dataclass(frozen=True)
class Forecasts:
    """M forecasts of h steps.

    Attributes:
        series, origins: [M], which series, and from which of its steps. quantiles: [M, h, Q]. truth: [M, h], NaN where there is no value.
        scales: [M], that of the network. changes, steps: [M], the mean change of the series over a season and over one step, before its first origin.
        past: of each forecast the series so far. crps: [M, h], where paths were drawn.
    """

    series: np.ndarray
    origins: np.ndarray
    quantiles: np.ndarray
    truth: np.ndarray
    scales: np.ndarray
    changes: np.ndarray
    steps: np.ndarray
    past: list[np.ndarray]
    levels: tuple[float, ...]
    season: int
    crps: np.ndarray | None = None

    @classmethod
    def of(cls, data: Panel, windows: Sequence[Window], found: Sequence[np.ndarray], levels: tuple[float, ...], season: int, horizon: int, scales: Sequence[np.ndarray]) -> Forecasts:
        """Forecasts `found` [O, h, Q] for each window, with the values of the panel."""
        series = np.concatenate([np.full(len(window.origins), window.series) for window in windows])
        origins = np.concatenate([window.origins for window in windows])
        truth, past, changes, steps = np.full((len(series), horizon), np.nan), [], [], []
        first = {window.series: int(window.origins[0]) for window in windows}
        for row, (one, origin) in enumerate(zip(series.tolist(), origins.tolist())):
            values = data.values[one]
            after = values[origin + 1 : origin + 1 + horizon]
            truth[row, : len(after)] = after
            past.append(values[: origin + 1])
            before = values[: first[one] + 1]
            changes.append(seasonal_scale(before, season))
            steps.append(seasonal_scale(before, 1))
        return cls(series, origins, np.concatenate(found), truth, np.concatenate(scales), np.array(changes), np.array(steps), past, levels, season)

    def quantile(self, level: float) -> np.ndarray:
        """[M, h], one quantile that is learnt."""
        return self.quantiles[..., self.levels.index(level)]


def result_of(forecasts: Forecasts, intervals: Sequence[float], *, models: bool) -> dict[str, Any]:
    """The RESULT object.

    Args:
        intervals: in per cent. models: whether the lines that fit a model are computed too.
    """
    truth, horizon = forecasts.truth, forecasts.truth.shape[1]
    middle = forecasts.quantile(0.5)
    own = _errors(forecasts, middle)
    fitted = models and len(truth) <= MOST_MODELLED and find_spec("statsmodels") is not None
    every = {**SIMPLE, **(MODELS if fitted else {})}
    beside, lines = {name: np.empty(truth.shape) for name in every}, []
    for row, past in enumerate(forecasts.past):
        for name, line in line_forecasts(every, past, forecasts.season, horizon).items():
            beside[name][row] = line
    for name, found in beside.items():
        lines.append({"name": name, **{key: plain(value) for key, value in _errors(forecasts, found).items()}, "wql": plain(weighted_quantile_loss(truth, found[..., None], (0.5,)))})
    covered = []
    for level in intervals:
        low, high = map(forecasts.quantile, ends_of(level))
        by_step = coverage(truth, low, high)
        there = ~np.isnan(truth)
        covered.append(
            {"level": float(level), "coverage": plain(float(((truth >= low) & (truth <= high))[there].mean()) if there.any() else np.nan), "by_step": [plain(one) for one in by_step]}
        )  # fmt: skip
    return {
        "loss": plain(_scaled_loss(forecasts)),
        **{key: plain(value) for key, value in own.items()},
        "wql": plain(weighted_quantile_loss(truth, forecasts.quantiles, forecasts.levels)),
        **({} if forecasts.crps is None else {"crps": plain(np.nanmean(forecasts.crps) if np.isfinite(forecasts.crps).any() else np.nan)}),
        "season": forecasts.season,
        "forecasts": len(truth),
        "series": len(np.unique(forecasts.series)),
        "values": int((~np.isnan(truth)).sum()),
        "without_scale": mase(truth, middle, forecasts.series, forecasts.changes)[1],
        "coverage": covered,
        "mae_by_step": [plain(mae(truth[:, step], middle[:, step])) for step in range(horizon)],
        "lines": lines,
    }


def _errors(forecasts: Forecasts, found: np.ndarray) -> dict[str, float]:
    truth = forecasts.truth
    return {
        "mae": mae(truth, found),
        "mse": mse(truth, found),
        "mase": mase(truth, found, forecasts.series, forecasts.changes)[0],
        "mase_steps": mase(truth, found, forecasts.series, forecasts.steps)[0],
        "smape": smape(truth, found),
    }


def _scaled_loss(forecasts: Forecasts) -> float:
    """The loss of training: twice the pinball loss in the network's own scales, the mean over all values and quantiles."""
    parts = [slice(first, first + AT_ONCE) for first in range(0, len(forecasts.truth), AT_ONCE)]
    losses = np.concatenate([quantile_losses(forecasts.truth[part], forecasts.quantiles[part], forecasts.levels).mean(-1) for part in parts]) / forecasts.scales[:, None]
    return float(np.nanmean(losses)) if np.isfinite(losses).any() else float("nan")


def best_line(result: dict[str, Any], measure: str = "mase") -> dict[str, Any] | None:
    """The line with the lowest error of a result; None where none is known."""
    known = [line for line in result["lines"] if line[measure] is not None]
    return min(known, key=lambda line: line[measure]) if known else None


def plain(value: Any) -> float | None:
    """A number for JSON: eight digits, None where it is not finite."""
    return float(f"{value:.8g}") if np.isfinite(value) else None
