"""How the model learnt: loss, measures, gradient norms and learning rate, epoch by epoch."""

from __future__ import annotations

import math
from typing import Any, TypedDict

from tenuto.measures import Measure, chosen_by_few, measures
from tenuto.pages.line_chart import Level, LineChart, Series
from tenuto.pages.page import Section, render
from tenuto.pages.wording import count, number, percent
from tenuto.runs.folder import Run


class Across(TypedDict):
    """The horizontal axis of the charts: epochs, or validations if there were several in an epoch."""

    x: list[int]
    x_name: str


def section(run: Run, loss: str) -> Section | None:
    """The learning curves; None if there was no validation. `loss` is what the loss is counted in."""
    if not run.metrics:
        return None
    epochs = [line["epoch"] for line in run.metrics]
    best = run.evaluation["training"]["best_epoch"]
    upright = (best, f"best, epoch {number(best)}") if best in epochs else None
    across: Across = {"x": epochs, "x_name": "epoch"}
    if any(epoch != int(epoch) for epoch in epochs):  # there were validations within epochs, so the axis counts validations
        upright = (epochs.index(best) + 1, upright[1]) if upright else None
        across = {"x": list(range(1, len(epochs) + 1)), "x_name": "validation"}
    measured = [_measured(run, across, upright, one) for one in measures() if one.note]
    charts = [_loss(run, across, upright, loss), *measured, _gradients(run, across), _rate(run, across)]
    return Section(
        name="learning",
        title="How it learnt",
        lead=_lead(run),
        body=render("learning.html", charts=[chart for chart in charts if chart is not None]),
    )


def column(metrics: list[dict[str, Any]], name: str) -> list[float]:
    """The values under one key, one for each line of metrics.jsonl; NaN where the value is null or the key is absent."""
    return [math.nan if line.get(name) is None else float(line[name]) for line in metrics]


def _loss(run: Run, across: Across, upright: tuple[int, str] | None, unit: str) -> LineChart:
    train, validation = column(run.metrics, "train_loss"), column(run.metrics, "validation_loss")
    finite = [v for v in (*train, *validation) if math.isfinite(v)]
    below_zero = min(finite, default=0.0) < 0  # minus the logarithm of a density may be
    positive = [v for v in finite if v > 0]
    return LineChart(
        title="Loss",
        **across,
        series=[Series("training", train, "second"), Series("validation", validation, "first")],
        logarithmic=bool(positive) and not below_zero and max(positive) / min(positive) > 30,
        from_zero=not below_zero,
        upright=upright,
        note=f"In {unit}.",
    )


def _measured(run: Run, across: Across, upright: tuple[int, str] | None, what: Measure) -> LineChart | None:
    """A measure that the task's metrics.jsonl may have; absent where it has not."""
    values = column(run.metrics, what.key)
    if all(math.isnan(value) for value in values):
        return None
    return LineChart(title=what.title, **across, series=[Series("validation", values, "first")], upright=upright, share=what.share, note=what.note)


def _gradients(run: Run, across: Across) -> LineChart | None:
    mean, largest = column(run.metrics, "gradient_norm_mean"), column(run.metrics, "gradient_norm_max")
    if all(math.isnan(v) for v in mean):
        return None
    clip = run.evaluation["training"]["options"].get("clip_norm")
    clipped = sum(line.get("clipped_steps") or 0 for line in run.metrics)
    steps = run.evaluation["training"]["steps"]
    note = "Norm of all gradients before clipping, by step."
    if clip and steps:
        note = f"Before clipping at {number(clip)} (the dashed line); {percent(clipped / steps)} of the steps were clipped."
    return LineChart(
        title="Gradient norm",
        **across,
        series=[Series("largest", largest, "third"), Series("mean", mean, "first")],
        logarithmic=True,
        levels=[Level(clip)] if clip else [],
        note=note,
    )


def _rate(run: Run, across: Across) -> LineChart | None:
    rates = column(run.metrics, "learning_rate")
    if len({rate for rate in rates if not math.isnan(rate)}) < 2:
        return None
    return LineChart(
        title="Learning rate",
        **across,
        series=[Series("learning rate", rates, "first")],
        from_zero=True,
        note="At the end of each epoch." if across["x_name"] == "epoch" else "At each validation.",
    )


def _lead(run: Run) -> str:
    """How long it trained, why it stopped, and what was kept."""
    training = run.evaluation["training"]
    reason = {
        "early stopping": "Training stopped when validations no longer got better",
        "interrupted": "Training was interrupted by its user",
        "time limit": "Training ended at its time limit",
        "all epochs": "Training ran to its last epoch",
        "all steps": "Training ran to its last step",
    }.get(training["stopped"], f"Training ended ({training['stopped']})")
    said = f"{reason}, after {_epochs(training['epochs_run'])}. The weights of epoch {number(training['best_epoch'])} were kept."
    if training.get("skipped_steps"):
        said += f" {count(training['skipped_steps'], 'step')} with a loss or gradient that was not finite were left out."
    doubt = chosen_by_few(run.evaluation["results"].get("validation") or {})
    return f"{said} {doubt}".rstrip()


def _epochs(amount: float) -> str:
    """`1 epoch`, `12 epochs`, `1.53 epochs`."""
    return count(int(amount), "epoch") if amount == int(amount) else f"{number(amount)} epochs"
