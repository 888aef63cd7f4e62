"""A regression's page: its head, what was predicted beside what was measured, each target in numbers, and the largest errors."""

from __future__ import annotations

from typing import Any

from tenuto.pages.agreement import MOST_INTERVALS, Agreement
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.wording import count, number, percent
from tenuto.runs.folder import Run

MOST_PICTURES, MOST_ERRORS = 6, 12


def section(run: Run) -> Section:
    """The pictures and tables."""
    shown, result = best_result(run.evaluation)
    points = [one for one in run.evaluation["points"] if one["set"] == shown][:MOST_PICTURES]
    level = next((one["level"] for one in points if one["half"] is not None and len(one["ids"]) <= MOST_INTERVALS), None)
    return Section(
        name="answers",
        title="Predicted and measured",
        lead=f"Each point is a sequence of the {shown} set: measured across, predicted up. On the diagonal both are the same."
        + (f" Lines are intervals that hold the measured number in {number(level)} of 100 cases." if level is not None else ""),
        body=render(
            "regression.html",
            pictures=[{"title": one["target"], "svg": Agreement(one["target"], one["ids"], one["values"], one["predicted"], one["half"]).svg(), "points": len(one["ids"])} for one in points],
            more=len(result["targets"]) - len(points),
            shown=shown,
            targets=_targets(result),
            worst=result["worst"][:MOST_ERRORS],
            several=len(result["targets"]) > 1,
        ),
    )


def _targets(result: dict[str, Any]) -> list[list[str]]:
    """The rows of the table of targets."""

    def share(value: float | None) -> str:
        return "–" if value is None else percent(value)

    return [
        [
            one["name"],
            number(one["rmse"]),
            f"{number(one['rmse_range'][0])} to {number(one['rmse_range'][1])}",
            number(one["rmse_of_mean"]),
            number(one["mae"]),
            "–" if one["r2"] is None else f"{one['r2']:.3f}",
            share(one["inside_80"]),
            share(one["inside_95"]),
        ]
        for one in result["targets"]
    ]


def headline(run: Run) -> Headline:
    """The head of a regression's page."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    first = result["targets"][0]
    single = len(result["targets"]) == 1
    low, high = first["rmse_range"]
    return Headline(
        sentence=_sentence(evaluation),
        score=number(first["rmse"]) if single else number(result["rmse"]),
        score_says=f"root mean square error of {count(result['sequences'], shown + ' sequence')}"
        + ("" if single else f", over {len(result['targets'])} targets, in standard deviations")
        + ", by weight" * ("effective_sequences" in result),
        score_interval=f"95 % interval {number(low)} to {number(high)}" if single else "",
        facts=[
            ("R²", "–" if result["r2"] is None else f"{result['r2']:.3f}", "1 is perfect, 0 as good as the mean"),
            ("Baseline", number(first["rmse_of_mean"]) if single else "1", "error of always answering the mean of the training set" if single else "standard deviation of each target"),
            (f"Loss on {shown}", number(result["loss"]), "nats a target"),
            *training_facts(evaluation),
            *speed_fact(evaluation),
        ],
    )


def _sentence(evaluation: dict[str, Any]) -> str:
    """What the model reads, what it answers, and how much data it learnt from."""
    train, targets = evaluation["data"]["train"], evaluation["targets"]
    lengths = f"{train['length_min']} steps" if train["length_min"] == train["length_max"] else f"{train['length_min']} to {train['length_max']} steps"
    what = f"the {targets[0]['name']}" if len(targets) == 1 else count(len(targets), "number")
    return f"{network_words(evaluation)} learnt to predict {what} from {count(train['sequences'], 'sequence')} of {lengths}."


PAGE = Page(headline, (section,))
