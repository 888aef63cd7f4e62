"""How it ran: which engine, why not a faster one, and how fast."""

from __future__ import annotations

from typing import Any

from ..tasks.run_folder import Run
from .page import Section, render


def section(run: Run) -> Section:
    """The engine that ran with the reasons of the others, and the speed measured on this machine."""
    evaluation = run.evaluation
    engine, machine = evaluation["engine"], evaluation["machine"]
    return Section(
        name="engine",
        title="How it ran",
        lead=f"The {engine['chosen']} engine ran the time loop on {machine['processor']}, with {machine['threads']} of {machine['cores']} cores.",
        body=render("running.html", engine=engine, speeds=_speeds(evaluation["speed"]), batch=evaluation["speed"]["prediction"]["batch_size"]),
    )


def _speeds(speed: dict[str, Any]) -> list[tuple[str, float | None, float | None]]:
    """What ran, its sequences a second, its time steps a second; to three digits."""
    return [
        (name, _three_digits(speed[key]["sequences_per_s"]), _three_digits(speed[key]["steps_per_s"]))
        for name, key in (("Training", "training"), ("Prediction", "prediction"))
    ]


def _three_digits(rate: float | None) -> float | None:
    return None if rate is None else float(f"{rate:.3g}")
