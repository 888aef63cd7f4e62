"""What the commands do for a forecaster: series read, forecasts as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.data.series.panel import Panel
from tenuto.data.series.read import read_frame
from tenuto.errors import ArgumentError
from tenuto.pages.wording import count
from tenuto.tasks.answers import layers_said
from tenuto.tasks.forecast.evaluation import best_line
from tenuto.tasks.series_commands import rows_of
from tenuto.tasks.task import ClassTable
from tenuto.tongues import argument


def predict(model: Any, data: Panel, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for each series and step ahead."""
    asked = {name: tuple(_numbers(choice, choices[choice])) or None for name, choice in (("level", "intervals"), ("quantiles", "answer_quantiles"))}
    future = read_frame(choices["future"])[0] if choices["future"] else None
    steps = choices["steps"] or None
    answer = model.sample_paths(data, h=steps, future=future) if choices["paths"] else model.predict(data, h=steps, future=future, **asked)
    return rows_of(answer, model.names_.time)


def described(model: Any) -> str:
    """The network in a few words."""
    options, frequency = getattr(model, "options_", model.get_params()), getattr(model, "frequency_", None)  # before a fit only what was given is known
    steps = f"{options['h']} steps" if frequency is None else f"{options['h']} steps of {frequency.name}"
    season = "" if options["season"] is None else f", season {options['season']}"
    density = f", density {options['distribution']}" if options["head"] == "density" else ""
    several = f"{options['members']} members, each " if options["members"] > 1 else ""
    return f"{several}{layers_said(model)}, {steps} ahead{season}{density}, base {options['base']}, seed {model.random_state}"


def said(result: Mapping[str, Any]) -> str:
    """The error, beside that of the best simple line."""
    line = best_line(dict(result))
    beside = "" if line is None else f" ({line['name']} {line['mase']:.3f})"
    error = f"MASE {result['mase']:.3f}{beside}" if result["mase"] is not None else "MASE not known, since no series changed over a season" if result["without_scale"] else "no value to compare with"
    return f"{error}, season {result['season']}, of {count(result['forecasts'], 'forecast')} of {result['series']} series"


def score(result: Mapping[str, Any]) -> list[str | ClassTable]:
    """Every error beside those of the lines, and how often intervals hold."""
    rows = [("model", "MASE", "MASE, season 1", "MAE", "RMSE", "sMAPE", "WQL")]
    for one in ({"name": "Forecaster", **result}, *result["lines"]):
        root = None if one["mse"] is None else one["mse"] ** 0.5
        numbers = (one["mase"], one["mase_steps"], one["mae"], root, one["smape"], one["wql"])
        rows.append((one["name"], *("-" if number is None else f"{number:.4g}" for number in numbers)))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) if not place else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths))) for row in rows]
    held = [f"interval of {one['level']:g} % holds {100 * one['coverage']:.1f} % of {result['values']} values" for one in result["coverage"] if one["coverage"] is not None]
    ranked = [f"CRPS {result['crps']:.4g}"] if result.get("crps") is not None else []
    return [said(result), *table, *ranked, *held]


def _numbers(name: str, text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise ArgumentError(f"{argument(name, text)} is not a list of numbers.", expected="numbers with commas between", received=text) from None
