"""A spotter's page: misses against false alarms, each keyword, and the worst of both to look at and to listen to."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenuto.pages.heat_map import heat_map_address
from tenuto.pages.line_chart import LineChart, Series
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.sound import heard
from tenuto.pages.wording import count, number, percent
from tenuto.runs.folder import Run
from tenuto.scores.spotting import proven


def headline(run: Run) -> Headline:
    """The share of keywords that is missed, and false alarms an hour."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    interval, train = result["miss_interval"], evaluation["data"]["train"]
    limit = number(float(f"{result['false_alarms_at_most']:.2g}"))
    return Headline(
        sentence=f"{network_words(evaluation)} learnt to tell {count(len(evaluation['keywords']), 'keyword')} in a stream from {count(train['sequences'], 'recording')}, {train['seconds']:,.0f} seconds in all.",
        score=percent(result["miss_rate"]),
        score_says=f"missed, of {count(result['occurrences'], 'keyword')} in the {shown} set",
        score_interval=f"95 % interval {percent(interval[0])} to {percent(interval[1])}" if interval else "",
        facts=[
            ("False alarms an hour", number(result["false_alarms_per_hour"]), f"{result['false_alarms']:,} in {result['hours']:.3g} hours, which proves {limit} at most (95 %)"),
            ("Told", "–" if result["latency_s"] is None else f"{number(result['latency_s'])} s", "after the end of a keyword's recording, median"),
            ("Real-time factor", number(result["real_time_factor"]), "seconds of work a second of sound"),
            *training_facts(evaluation),
            *speed_fact(evaluation),
        ],
    )


def spotting(run: Run) -> Section:
    """The curve of misses against false alarms, and the table of keywords."""
    shown, result = best_result(run.evaluation)
    by_alarms: dict[int, int] = {}
    for point in result["curve"]:
        by_alarms[point["false_alarms"]] = min(point["misses"], by_alarms.get(point["false_alarms"], point["misses"]))
    by_alarms[result["false_alarms"]] = result["misses"]  # as fitted; of other points with as few false alarms, the one with the fewest misses
    places, occurrences = sorted(by_alarms), max(result["occurrences"], 1)
    chart = LineChart(
        title="Missed keywords by false alarms",
        x=places,
        series=[Series("missed", [by_alarms[place] / occurrences for place in places], dots=len(places) == 1)],
        x_name="false alarm",
        share=True,
        from_zero=True,
        upright=(result["false_alarms"], "thresholds as fitted"),
        note=f"All thresholds moved alike. In {result['hours']:.3g} hours of the {shown} set; one false alarm is {1 / result['hours']:.3g} an hour.",
    )
    return Section(
        name="spotting",
        title="Missed, and told for nothing",
        lead=f"The recordings of the {shown} set as one stream, in an order that was drawn, with pauses. {proven(result['false_alarms'], result['hours']).capitalize()}.",
        body=render("spotting.html", chart=chart, keywords=result["keywords"]),
    )


def worst(run: Run) -> Section | None:
    """The worst misses and false alarms; absent when there are none."""
    examples = run.evaluation.get("examples") or []
    if not examples:
        return None
    return Section(
        name="worst",
        title="Its worst misses and false alarms",
        lead="Time runs from left to right. Above is what the network reads, low sounds below; under it the probability of the keyword at each step.",
        body=render("spotted_examples.html", examples=[_example(example) for example in examples]),
    )


def _example(example: dict[str, Any]) -> dict[str, Any]:
    powers = np.asarray(example["probabilities"], dtype=np.float64)[None]
    return {**{name: example[name] for name in ("id", "kind", "keyword", "time")}, **heard(example), "powers": heat_map_address(powers, 1.0), "highest": percent(float(powers.max(initial=0.0)))}


PAGE = Page(headline, (spotting, worst))
