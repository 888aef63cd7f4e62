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
EXTREME = 99.5  # the hidden value that gets the full colour: of 100 sizes, this many are below it, so that a single large one does not make all others pale
MOST_NAMED_ROWS, HEIGHT_OF_A_NAME = 16, 15


def section(run: Run) -> Section | None:
    """The example sequences; absent when the evaluation has none."""
    examples = run.evaluation["examples"]
    if not examples:
        return None
    states = [np.asarray(example["hidden"], dtype=np.float64).T for example in examples]  # [H, T] each
    limit = _limit(states)
    orders = [similar_rows_together(np.concatenate([rows[first:last] for rows in states], axis=1)) for _, first, last in _directions(examples[0])]
    channels = [channel["name"] for channel in run.evaluation["channels"]]
    return Section(
        name="states",
        title="Inputs and hidden states",
        lead="Time runs from left to right. Above is the input, in standard deviations from its mean; below is the hidden state, "
        "one row for each unit, with units that behave alike next to each other. Colours and the order of the rows are the same in all examples.",
        body=render(
            "examples.html",
            examples=[_example(example, rows, orders, limit, run.evaluation) for example, rows in zip(examples, states)],
            input_limit=number(INPUT_LIMIT),
            limit=number(limit),
            channels=channels if len(channels) > MOST_NAMED_ROWS else [],
            missing=any(None in row for example in examples for row in example["input"]),
        ),
    )


def _example(example: dict[str, Any], states: np.ndarray, orders: list[np.ndarray], limit: float, evaluation: dict[str, Any]) -> dict[str, Any]:
    """One example as the template wants it.

    Args:
        states: [H, T]. orders: the order of the units of each direction. limit: the hidden value that gets the full colour.
    """
    standard = _standardised(example, evaluation["channels"])  # [I, T]
    names = [channel["name"] for channel in evaluation["channels"]]
    strips = [_strip("Input", count(len(standard), "channel"), standard, INPUT_LIMIT, names if len(names) <= MOST_NAMED_ROWS else [])]
    directions = _directions(example)
    for (direction, first, last), order in zip(directions, orders):
        rows = states[first:last]
        name = "Hidden state" if len(directions) == 1 else f"State, {direction}"
        strips.append(_strip(name, count(len(rows), "unit"), rows[order], limit, []))
    cut = f" (the first {example['steps_shown']} shown)" if example["steps_shown"] < example["steps"] else ""
    return {
        "id": example["id"],
        "label": example["label"],
        "predicted": example["predicted"],
        "correct": example["correct"],
        "steps": example["steps_shown"],
        "steps_said": count(example["steps"], "step") + cut,
        "strips": strips,
        "named": any(strip["names"] for strip in strips),
        "bars": bars(example, evaluation["classes"]),
    }


def _directions(example: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Of each direction of the encoder its name, and its first row and the one after its last."""
    return [(direction["name"], direction["first"], direction["last"]) for direction in example["directions"]]


def _limit(states: list[np.ndarray]) -> float:
    """The size of a hidden value that gets the full colour in every picture of the page."""
    sizes = np.abs(np.concatenate([rows.ravel() for rows in states]))
    sizes = sizes[np.isfinite(sizes)]
    extreme = float(np.percentile(sizes, EXTREME, method="lower")) if sizes.size else 0.0
    return float(f"{extreme:.2g}") or 1.0


def _standardised(example: dict[str, Any], channels: list[dict[str, Any]]) -> np.ndarray:
    """The input as the model saw it, [I, T]; a missing value is NaN, which draws nothing."""
    values = np.asarray(example["input"], dtype=np.float64).T  # [I, T]
    mean = np.array([channel["mean"] or 0.0 for channel in channels])[:, None]
    deviation = np.array([channel["deviation"] or 1.0 for channel in channels])[:, None]
    return (values - mean) / deviation


def _strip(name: str, rows_said: str, rows: np.ndarray, limit: float, names: list[str]) -> dict[str, Any]:
    """A heat map with its name, the names of its rows if they have any, its size on the page and a text for people who do not see it."""
    height = HEIGHT_OF_A_NAME * len(names) if names else int(np.clip(len(rows) * (9 if len(rows) <= 16 else 2.5), 36, 240))
    finite = rows[np.isfinite(rows)]
    spread = f"from {finite.min():.2f} to {finite.max():.2f}" if finite.size else "without values"
    return {
        "name": name,
        "rows_said": rows_said,
        "names": names,
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
        score_says=f"of {count(result['sequences'], shown + ' sequence')} right",
        score_interval=f"95 % interval {percent(low)} to {percent(high)}",
        facts=[
            (f"Loss on {shown}", number(result["loss"]), "nats a sequence"),
            ("Macro F1", percent(result["macro_f1"]), "mean over classes"),
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
