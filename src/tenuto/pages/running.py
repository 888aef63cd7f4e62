"""How the run was computed: by which engine, why not by another, and how fast."""

from __future__ import annotations

from typing import Any

from tenuto.pages.page import Section, render
from tenuto.runs.folder import Run


def section(run: Run) -> Section:
    """The engine that ran, why the others did not, and the speed measured on this machine."""
    evaluation = run.evaluation
    engine, machine = evaluation["engine"], evaluation["machine"]
    rates = [("sequences / s", "sequences_per_s"), ("time steps / s", "steps_per_s"), ("tokens / s", "tokens_per_s")]
    speed = evaluation["speed"]
    columns = [(title, key) for title, key in rates if any(speed[when].get(key) is not None for when in ("training", "prediction"))]
    return Section(
        name="engine",
        title="How it ran",
        lead=f"The {engine['chosen']} engine ran the time loop on {machine['processor']}, with {machine['threads']} of {machine['cores']} cores.",
        body=render("running.html", engine=engine, columns=columns, speeds=_speeds(speed, columns), batch=speed["prediction"].get("batch_size")),
    )


def _speeds(speed: dict[str, Any], columns: list[tuple[str, str]]) -> list[tuple[str, list[float | None]]]:
    """Training and prediction, each with its rates, to three digits."""
    return [
        (name, [_three_digits(speed[key].get(column)) for _, column in columns])
        for name, key in (("Training", "training"), ("Prediction", "prediction"))
    ]


def _three_digits(rate: float | None) -> float | None:
    return None if rate is None else float(f"{rate:.3g}")
