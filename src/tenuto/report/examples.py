"""What the model sees and keeps: example sequences, the input above, the hidden state below, time to the right."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tasks.run_folder import Run
from .heat_map import heat_map_address, similar_rows_together
from .page import Section, render
from .wording import count, percent

FEWEST_BARS, MOST_BARS = 3, 6
INPUT_LIMIT = 2.5  # standard deviations that get the full colour


def section(run: Run) -> Section | None:
    """The example sequences; absent when the evaluation has none."""
    examples = run.evaluation["examples"]
    if not examples:
        return None
    return Section(
        name="states",
        title="What it keeps in mind",
        lead="Each picture runs from the first step at the left to the last at the right. Above, the input in standard deviations "
        "from its mean; below, the hidden state, one row a unit, with units that move alike next to one another.",
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
    """A heat map with its name, its size on the page and words for those who do not see it."""
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


def bars(example: dict[str, Any], classes: list[str]) -> list[dict[str, Any]]:
    """The probabilities of the likeliest classes, and of the true one wherever it stands."""
    probabilities = [0.0 if p is None else p for p in example["probabilities"]]
    order = sorted(range(len(classes)), key=lambda index: -probabilities[index])
    kept = [index for rank, index in enumerate(order[:MOST_BARS]) if rank < FEWEST_BARS or probabilities[index] >= 0.0005]
    true = classes.index(example["label"]) if example["label"] in classes else None
    if true is not None and true not in kept:
        kept[-1] = true
    return [
        {
            "name": classes[index],
            "share": round(100 * probabilities[index], 1),
            "said": percent(probabilities[index]),
            "kind": "is-true" if index == true else "is-wrong" if classes[index] == example["predicted"] else "",
        }
        for index in kept
    ]
