"""A detector's page: its head, what is found beside what chance finds, and example series with scores, threshold and events."""

from __future__ import annotations

import math
from typing import Any

from tenuto.pages.line_chart import Level, LineChart, Series
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.wording import count, number, percent
from tenuto.runs.folder import Run

LEAST_SHOWN = 0.1  # of a score on a logarithmic axis


def headline(run: Run) -> Headline:
    """The head of a detector's page."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    train, options, learnt = evaluation["data"]["train"], evaluation["training"]["options"], run.config["preprocessing"]["learnt"]
    known = result["event_f1"] is not None
    return Headline(
        sentence=f"{network_words(evaluation)} score how strange each step of {train['frequency']} is, after training on {train['sequences']:,} series with {train['steps']:,} values.",
        score=number(result["event_f1"]) if known else f"{result['alarms']:,}",
        score_says=f"event F1 of {count(result['known_events'], f'known {shown} event')}" if known else f"alarms in {count(result['values'], f'{shown} value')}",
        score_interval=f"chance: {number(result['event_f1_random'])}" if known else f"{count(result['found_events'], 'event')}",
        facts=[
            ("Threshold", number(result["threshold"]), f"{learnt['by']}, of {count(learnt['scores'], 'score')} of {learnt['of']}; {percent(learnt['rate'])} of normal steps"),
            ("Score", options["scored_by"], "-log10 of the probability of a value as far out" if options["scored_by"] == "tail" else "minus the logarithm of the density"),
            ("Density", options["distribution"], "of the next value"),
            ("Loss", number(result["loss"]), "nats a value"),
            ("Base", options["base"], "what the network corrects"),
            *training_facts(evaluation),
            *speed_fact(evaluation),
        ],
    )


def found(run: Run) -> Section | None:
    """How well known anomalies are found; absent where none is known."""
    shown, result = best_result(run.evaluation)
    if result["event_f1"] is None:
        return None
    rows = [{"name": name, "cells": [number(result[key]), number(result[f"{key}_random"])]} for name, key in (("Event F1", "event_f1"), ("AUC-PR", "auc_pr"), ("VUS-PR", "vus_pr"))]
    return Section(
        name="found",
        title="Beside chance",
        lead=f"Of {count(result['known_events'], f'known {shown} event')}, {percent(result['recall'])} have an alarm; {percent(result['precision'])} of alarmed steps are within one. "
        f"An alarm within an event does not make the rest of it found. Chance: random scores; of F1 the same alarms, moved round in time. VUS-PR counts scores within {count(result['buffer'], 'step')} around an event in part.",
        body=render("anomalies_found.html", rows=rows),
    )


def series(run: Run) -> Section | None:
    """The example series; absent when there are none."""
    examples = run.evaluation["examples"]
    if not examples:
        return None
    threshold, logarithmic = best_result(run.evaluation)[1]["threshold"], run.evaluation["training"]["options"]["scored_by"] == "tail"
    charts = [chart for example in examples for chart in (_values(example), _scores(example, threshold, logarithmic))]
    return Section("series", "Series and scores", "Each around its highest score. Points are steps above the threshold.", render("learning.html", charts=charts))


def _values(example: dict[str, Any]) -> LineChart:
    values = _floats(example["values"])
    expected, alarm = Series("expected", _floats(example["expected"]), "first"), Series("alarm", _at(values, example["alarms"]), "third", dots=True)
    known = [_area(values, example["known"])] if example["known"] else []
    return LineChart(
        example["id"], list(range(len(values))), [*known, expected, Series("value", values, "second"), alarm], x_name="step", note=f"{example['first']} to {example['last']}, {example['set']} part.",
    )  # fmt: skip


def _area(values: list[float], runs: list[list[int]]) -> Series:
    """What is known as anomalies: the whole height of the chart, from a step before to a step after."""
    finite = [value for value in values if math.isfinite(value)]
    inside = {step for first, last in runs for step in range(first - 1, last + 2)}
    low, high = ([end if step in inside else math.nan for step in range(len(values))] for end in (min(finite), max(finite)))
    return Series("known anomaly", [math.nan] * len(values), "third", low=low, high=high)


def _scores(example: dict[str, Any], threshold: float, logarithmic: bool) -> LineChart:
    scores = [max(score, LEAST_SHOWN) if logarithmic else score for score in _floats(example["scores"])]
    return LineChart(
        f"Score of {example['id']}", list(range(len(scores))), [Series("score", scores, "second"), Series("alarm", _at(scores, example["alarms"]), "third", dots=True)],
        x_name="step", logarithmic=logarithmic, levels=[Level(threshold, "threshold")], note=f"On a logarithmic axis; {LEAST_SHOWN} stands for less, too." if logarithmic else "",
    )  # fmt: skip


def _at(values: list[float], runs: list[list[int]]) -> list[float]:
    """The values within these runs of steps; NaN elsewhere."""
    inside = {step for first, last in runs for step in range(first, last + 1)}
    return [value if step in inside else math.nan for step, value in enumerate(values)]


def _floats(values: list[float | None]) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]


PAGE = Page(headline, (found, series))
