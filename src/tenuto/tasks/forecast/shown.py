"""What a forecaster's page draws beside its tables: forecasts of example series, from their last origin and from earlier ones, and residuals by step ahead and by the calendar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tenuto.data.series.panel import Panel
from tenuto.scores.forecasts import ends_of
from tenuto.tasks.forecast.evaluation import Forecasts, plain

MOST_STEPS_SHOWN, EXAMPLES_SHOWN = 120, 4
MOST_CUTOFFS = 6  # of a series
BAND = 80  # per cent of the residuals that a band holds
MOST_PLACES = 60  # in a season


def examples(forecasts: Forecasts, data: Panel, name: str, intervals: Sequence[float]) -> list[dict[str, Any]]:
    """The last forecast of at most four series: of the best, of the worst, and of two between, by their error in changes of one step.

    Args:
        name: of the set. intervals: in per cent.
    """
    steps = forecasts.truth.shape[1]
    return [_drawn(forecasts, data, row, name, intervals, most=min(MOST_STEPS_SHOWN, max(4 * steps, 24))) for row in _ranked(forecasts)]


def cutoffs(forecasts: Forecasts, data: Panel, name: str, intervals: Sequence[float]) -> list[dict[str, Any]]:
    """Forecasts of the best example and of the worst from at most six origins each, in order, spread over those that there are; none of a series with a single origin.

    Args:
        name, intervals: as for `examples`.
    """
    ranked, steps = _ranked(forecasts), forecasts.truth.shape[1]
    found = []
    for row in dict.fromkeys((ranked[0], ranked[-1]) if ranked else ()):
        rows = np.flatnonzero(forecasts.series == forecasts.series[row])
        if len(rows) > 1:
            chosen = dict.fromkeys(rows[np.linspace(0, len(rows) - 1, MOST_CUTOFFS).round().astype(int)].tolist())
            found += [_drawn(forecasts, data, one, name, intervals, most=min(MOST_STEPS_SHOWN // 2, max(2 * steps, 12))) for one in chosen]
    return found


def residuals(forecasts: Forecasts, data: Panel) -> list[dict[str, Any]]:
    """What came less what was forecast, in the series' mean changes over one step: the median and the band of most, by step ahead and by what the calendar tells of this frequency.

    Where it tells nothing (whole numbers, years), by the place in the season. A series that never changed is left out; so are places that no value has.
    """
    count, steps = forecasts.truth.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        left = (forecasts.truth - forecasts.quantile(0.5)) / forecasts.steps[:, None]
    known = np.isfinite(left)
    at = (data.starts[forecasts.series] + forecasts.origins + 1)[:, None] + np.arange(steps)
    groups = [("step ahead", [str(step) for step in range(1, steps + 1)], np.broadcast_to(np.arange(steps), (count, steps)))]
    groups += [(name, names, places[at]) for name, names, places in data.places(int(at.max()) + 1)]
    if len(groups) == 1 and 1 < forecasts.season <= MOST_PLACES:
        groups.append(("step of the season", [str(step) for step in range(1, forecasts.season + 1)], at % forecasts.season))
    found = []
    for name, names, places in groups:
        there = [(label, left[known & (places == place)]) for place, label in enumerate(names)]
        there = [(label, values) for label, values in there if len(values)]
        ends = [np.quantile(values, ((1 - BAND / 100) / 2, 0.5, (1 + BAND / 100) / 2)) for _, values in there]
        if len(there) > 1:
            found.append(
                {
                    "by": name, "names": [label for label, _ in there], "values": [len(values) for _, values in there],
                    **{key: [plain(one[place]) for one in ends] for place, key in enumerate(("low", "middle", "high"))},
                }
            )  # fmt: skip
    return found


def _error(forecasts: Forecasts, row: int) -> float:
    """The mean error of a forecast, in changes of one step; NaN where nothing is known."""
    there = ~np.isnan(forecasts.truth[row])
    return float(np.abs(forecasts.truth[row] - forecasts.quantile(0.5)[row])[there].mean() / forecasts.steps[row]) if there.any() else float("nan")


def _ranked(forecasts: Forecasts) -> list[int]:
    """The row of the last forecast of each example series, the best first."""
    last = len(forecasts.series) - 1 - np.unique(forecasts.series[::-1], return_index=True)[1]
    errors = {row: _error(forecasts, row) for row in last.tolist() if not np.isnan(forecasts.truth[row]).all()}
    ranked = sorted((row for row in errors if np.isfinite(errors[row])), key=lambda row: errors[row]) or sorted(errors)
    if not ranked:
        return []
    return list(dict.fromkeys(ranked[place] for place in np.linspace(0, len(ranked) - 1, EXAMPLES_SHOWN).round().astype(int)))


def _drawn(forecasts: Forecasts, data: Panel, row: int, name: str, intervals: Sequence[float], *, most: int) -> dict[str, Any]:
    """One forecast as the page draws it, with at most so many values before it."""
    series, origin = int(forecasts.series[row]), int(forecasts.origins[row])

    def numbers(values: np.ndarray) -> list[float | None]:
        return [plain(value) for value in values]

    return {
        "id": "the series" if data.ids[series] is None else str(data.ids[series]),
        "set": name,
        "cutoff": str(data.stamps(series, origin, origin + 1)[0]).removesuffix(" 00:00:00"),
        "error": plain(_error(forecasts, row)),
        "past": numbers(forecasts.past[row][-most:]),
        "truth": numbers(forecasts.truth[row]),
        "middle": numbers(forecasts.quantile(0.5)[row]),
        "intervals": [{"level": float(level), **{end: numbers(forecasts.quantile(at)[row]) for end, at in zip(("low", "high"), ends_of(level))}} for level in sorted(intervals)],
    }
