"""A forecaster's page: its head, the table beside the simple lines, coverage by step, example series as fans, forecasts from earlier origins beside each other, and residuals by step and calendar."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

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


def panels(run: Run) -> Section | None:
    """Forecasts of the same series from several origins; absent where each series has one."""
    drawn = run.evaluation.get("cutoffs", [])
    if not drawn:
        return None
    series = {}
    for one in drawn:
        series.setdefault(one["id"], []).append(one)
    body = Markup("\n").join(render("forecast_panels.html", name=name if len(series) > 1 else "", place=place, charts=_panels(ones)) for (name, ones), place in zip(series.items(), ("the best", "the worst")))
    return Section("cutoffs", "From one cutoff after another", "Each picture is a forecast from what was known at its cutoff, with its intervals, and what came. All pictures of a series have the same axis.", body)


def left(run: Run) -> Section | None:
    """Residuals by step ahead and by the calendar; absent where no series ever changed."""
    groups = run.evaluation.get("residuals", [])
    if not groups:
        return None
    return Section(
        "residuals", "What was left over", "What came less what was forecast, in a series' mean changes over one step: the median, and the band that holds 80 % of the values. Above zero more came than was forecast.",
        render("learning.html", charts=[_residuals(one) for one in groups]),
    )  # fmt: skip


def _residuals(group: dict[str, Any]) -> LineChart:
    by, named = group["by"], group["by"] != "step ahead"
    least, most = min(group["values"]), max(group["values"])
    note = f"{count(int(least), 'value')} at each place." if least == most else f"{least:,.0f} to {most:,.0f} values at each place."
    return LineChart(
        f"By {by}", list(range(1, len(group["names"]) + 1)), [Series("median", _floats(group["middle"]), "first", dots=named, low=_floats(group["low"]), high=_floats(group["high"]))],
        x_name=by, x_names=group["names"] if named else (), from_zero=True, levels=[Level(0.0)], note=note,
    )  # fmt: skip


def _panels(drawn: list[dict[str, Any]]) -> list[LineChart]:
    """Small pictures of one series that share an axis."""
    values = [value for one in drawn for values in (one["past"], one["truth"], one["middle"], *(each[end] for each in one["intervals"] for end in ("low", "high"))) for value in _floats(values)]
    finite = [value for value in values if math.isfinite(value)]
    return [_drawn(one, one["cutoff"], room_for=(min(finite), max(finite))) for one in drawn]


def _fan(example: dict[str, Any]) -> LineChart:
    error = "" if example["error"] is None else f" Mean error: {number(example['error'])} changes of one step."
    return _drawn(example, example["id"], note=f"Known until {example['cutoff']}.{error}", upright=(0, "cutoff"))


def _drawn(example: dict[str, Any], title: str, **options: Any) -> LineChart:
    """A series, its forecast, and its intervals as bands. Steps are counted from the cutoff."""
    past, truth, middle = _floats(example["past"]), _floats(example["truth"]), _floats(example["middle"])
    x = list(range(1 - len(past), len(truth) + 1))
    before, after = [math.nan] * len(past), [math.nan] * (len(past) - 1)
    bands = [
        Series(f"{one['level']:g} % interval", [*before, *middle], "first", low=[*before, *_floats(one["low"])], high=[*before, *_floats(one["high"])])
        for one in sorted(example["intervals"], key=lambda one: -one["level"])
    ]
    came = [*after, past[-1], *truth]
    lines = [Series("before", [*past, *[math.nan] * len(truth)], "second"), Series("forecast", [*after, past[-1], *middle], "first"), Series("what came", came, "third")]
    return LineChart(title, x, [*bands, *lines], x_name="step", **options)


def _floats(values: list[float | None]) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]


def _said(value: float | None) -> str:
    return "not known" if value is None else number(value)


PAGE = Page(headline, (lines, steps, fans, panels, left))
