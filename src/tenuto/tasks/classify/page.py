"""A classifier's page: its head, and example sequences: the input above, the hidden state below, time from left to right."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tenuto.pages import confusion
from tenuto.pages.bars import bars
from tenuto.pages.heat_map import heat_map_address, similar_rows_together
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.wording import count, number, percent
from tenuto.runs.folder import Run

INPUT_LIMIT = 2.5  # standard deviations that get the full colour


def section(run: Run) -> Section | None:
    """The example sequences; absent when the evaluation has none."""
    examples = run.evaluation["examples"]
    if not examples:
        return None
    return Section(
        name="states",
        title="Inputs and hidden states",
        lead="Time runs from left to right. Above is the input, in standard deviations from its mean; below is the hidden state, "
        "one row for each unit, with units that behave alike next to each other.",
        body=render("examples.html", examples=[_example(example, run.evaluation) for example in examples], limit=INPUT_LIMIT),
    )


def _example(example: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, Any]:
    """One example as the template wants it."""
    standard = _standardised(example, evaluation["channels"])  # [I, T]
    strips = [_strip("Input", count(len(standard), "channel"), standard, INPUT_LIMIT)]
    hidden = np.asarray(example["hidden"], dtype=np.float64).T  # [H, T]
    directions = example["directions"]
    for direction in directions:
        rows = hidden[direction["first"] : direction["last"]]
        name = "Hidden state" if len(directions) == 1 else f"State, {direction['name']}"
        limit = float(np.nanmax(np.abs(rows), initial=0.0)) or 1.0
        strips.append(_strip(name, count(len(rows), "unit"), rows[similar_rows_together(rows)], min(limit, 1.0)))
    cut = f" (the first {example['steps_shown']} shown)" if example["steps_shown"] < example["steps"] else ""
    return {
        "id": example["id"],
        "label": example["label"],
        "predicted": example["predicted"],
        "correct": example["correct"],
        "steps": example["steps_shown"],
        "steps_said": count(example["steps"], "step") + cut,
        "strips": strips,
        "bars": bars(example, evaluation["classes"]),
    }


def _standardised(example: dict[str, Any], channels: list[dict[str, Any]]) -> np.ndarray:
    """The input as the model saw it, [I, T]; a missing value is NaN, which draws nothing."""
    values = np.asarray(example["input"], dtype=np.float64).T  # [I, T]
    mean = np.array([channel["mean"] or 0.0 for channel in channels])[:, None]
    deviation = np.array([channel["deviation"] or 1.0 for channel in channels])[:, None]
    return (values - mean) / deviation


def _strip(name: str, rows_said: str, rows: np.ndarray, limit: float) -> dict[str, Any]:
    """A heat map with its name, its size on the page and a text for people who do not see it."""
    height = int(np.clip(len(rows) * (9 if len(rows) <= 16 else 2.5), 36, 240))
    finite = rows[np.isfinite(rows)]
    spread = f"from {finite.min():.2f} to {finite.max():.2f}" if finite.size else "without values"
    return {
        "name": name,
        "rows_said": rows_said,
        "height": height,
        "address": heat_map_address(rows, limit),
        "words": f"{name} over {count(rows.shape[1], 'step')}: {rows_said}, values {spread}.",
    }


def headline(run: Run) -> Headline:
    """The head of a classifier's page."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    low, high = result["accuracy_interval"]
    return Headline(
        sentence=_sentence(evaluation),
        score=percent(result["accuracy"]),
        score_says=f"of {count(result['sequences'], shown + ' sequence')} right" + ", by weight" * ("effective_sequences" in result),
        score_interval=f"95 % interval {percent(low)} to {percent(high)}",
        facts=[
            (f"Loss on {shown}", number(result["loss"]), "nats a sequence"),
            ("Macro F1", number(result["macro_f1"]), "mean over classes"),
            ("Baseline", percent(result["majority_accuracy"]), "always the largest class"),
            *training_facts(evaluation),
            *speed_fact(evaluation),
        ],
    )


def _sentence(evaluation: dict[str, Any]) -> str:
    """What the model reads, what it answers, and how much data it learnt from."""
    train = evaluation["data"]["train"]
    lengths = (
        f"{train['length_min']} steps" if train["length_min"] == train["length_max"]
        else f"{train['length_min']} to {train['length_max']} steps"
    )  # fmt: skip
    return (
        f"{network_words(evaluation)} told {count(len(evaluation['classes']), 'class')} apart after training on "
        f"{count(train['sequences'], 'sequence')} of {count(len(evaluation['channels']), 'channel')} and {lengths}."
    )


PAGE = Page(headline, (partial(confusion.section, noun="sequence"), section))
