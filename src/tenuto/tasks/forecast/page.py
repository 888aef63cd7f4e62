"""A forecaster's page: its head, the table beside the simple lines, coverage by step, and example series as fans."""

from __future__ import annotations

import math
from typing import Any

from tenuto.pages.line_chart import Level, LineChart, Series
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.wording import count, number, percent
from tenuto.runs.folder import Run
from tenuto.tasks.forecast.evaluation import best_line


def headline(run: Run) -> Headline:
    """The head of a forecaster's page."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    train, options, line = evaluation["data"]["train"], evaluation["training"]["options"], best_line(result)
    return Headline(
        sentence=f"{network_words(evaluation)} forecast {count(options['h'], 'step')} of {train['frequency']} ahead after training on "
        f"{train['sequences']:,} series with {train['steps']:,} values.",
        score=_said(result["mase"]),
        score_says=f"MASE with a season of {result['season']}, of {count(result['forecasts'], shown + ' forecast')}",
        score_interval="" if line is None else f"the best simple line, {line['name']}: {number(line['mase'])}",
        facts=[
            ("Weighted quantile loss", _said(result["wql"]), "mean over the quantiles"),
            ("Mean absolute error", _said(result["mae"]), "in units of the data"),
            *([("CRPS", _said(result["crps"]), "in units of the data")] if "crps" in result else []),
            *((f"{one['level']:g} % interval", percent(one["coverage"]), "of values within") for one in result["coverage"] if one["coverage"] is not None),
            ("Base", options["base"], "what the network corrects"),
            *([("Members", f"{members}", "networks, whose quantiles are averaged")] if (members := options.get("members", 1)) > 1 else []),
            *([("Density", options["distribution"], f"{options['samples']} paths")] if options.get("head") == "density" else []),
            *training_facts(evaluation),
            *speed_fact(evaluation),
        ],
    )


def lines(run: Run) -> Section:
    """The errors beside those of the simple lines."""
    shown, result = best_result(run.evaluation)
    best = min((one["mase"] for one in (result, *result["lines"]) if one["mase"] is not None), default=None)
    rows = [
        {"name": one["name"], "best": best is not None and one["mase"] == best, "cells": [_said(one[key]) for key in ("mase", "mase_steps", "mae", "mse", "smape", "wql")]}
        for one in ({"name": "Forecaster", **result}, *result["lines"])
    ]
    left_out = f" {result['without_scale']} series never changed and are not in MASE." if result["without_scale"] else ""
    return Section(
        name="lines",
        title="Beside simple lines",
        lead=f"All forecasts of the {shown} part, {count(result['values'], 'value')}. MASE is the absolute error in a series' own mean change over a season of {result['season']}, "
        f"or over one step; below 1 is better than repeating.{left_out}",
        body=render("forecast_lines.html", rows=rows),
    )


def steps(run: Run) -> Section:
    """How often intervals hold, and how large errors are, by step ahead."""
    _, result = best_result(run.evaluation)
    ahead = list(range(1, len(result["mae_by_step"]) + 1))
    tones = ("first", "second", "third")
    held = LineChart(
        "Share of values within the interval", ahead, [Series(f"{one['level']:g} %", _floats(one["by_step"]), tones[place % 3]) for place, one in enumerate(result["coverage"])],
        x_name="step ahead", share=True, levels=[Level(one["level"] / 100) for one in result["coverage"]], note="Dashed: what the interval promises. Few values move a share far.",
    )  # fmt: skip
    errors = LineChart("Mean absolute error", ahead, [Series("Forecaster", _floats(result["mae_by_step"]))], x_name="step ahead", from_zero=True)
    charts = [held, errors] if result["coverage"] else [errors]
    return Section("steps", "By step ahead", "", render("learning.html", charts=charts))


def fans(run: Run) -> Section | None:
    """The example series; absent when there are none."""
    examples = run.evaluation["examples"]
    if not examples:
        return None
    return Section(
        "fans", "Forecasts", "The last forecast of the best series, of the worst, and of some between. Bands are the intervals, the widest the palest.",
        render("learning.html", charts=[_fan(example) for example in examples]),
    )  # fmt: skip


def _fan(example: dict[str, Any]) -> LineChart:
    """A series, its forecast, and its intervals as bands. Steps are counted from the cutoff."""
    past, truth, middle = _floats(example["past"]), _floats(example["truth"]), _floats(example["middle"])
    x = list(range(1 - len(past), len(truth) + 1))
    before, after = [math.nan] * len(past), [math.nan] * (len(past) - 1)
    bands = [
        Series(f"{one['level']:g} % interval", [*before, *middle], "first", low=[*before, *_floats(one["low"])], high=[*before, *_floats(one["high"])])
        for one in sorted(example["intervals"], key=lambda one: -one["level"])
    ]
    error = "" if example["error"] is None else f" Mean error: {number(example['error'])} changes of one step."
    return LineChart(
        example["id"], x, [*bands, Series("value", [*past, *truth], "second"), Series("forecast", [*after, past[-1], *middle], "first")], x_name="step", upright=(0, "cutoff"), note=f"Known until {example['cutoff']}.{error}",
    )  # fmt: skip


def _floats(values: list[float | None]) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]


def _said(value: float | None) -> str:
    return "not known" if value is None else number(value)


PAGE = Page(headline, (lines, steps, fans))
