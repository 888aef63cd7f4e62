"""How the run was computed: by which engine, why not by another, and how fast."""

from __future__ import annotations

from typing import Any

from tenuto.pages.page import Section, render
from tenuto.pages.places import without_places
from tenuto.runs.folder import Run


def section(run: Run) -> Section:
    """The engine that ran, why the others did not, and the speed measured on this machine."""
    evaluation = run.evaluation
    engine, machine = evaluation["engine"], evaluation["machine"]
    speed = evaluation["speed"]
    rates = [("sequences / s", "sequences_per_s"), ("time steps / s", "steps_per_s"), ("tokens / s", "tokens_per_s")]
    columns = [(title, key) for title, key in rates if _known(speed, key) and key != _told_twice(speed)]
    return Section(
        name="engine",
        title="How it ran",
        lead=f"The {engine['chosen']} engine ran the time loop on {machine['processor']}, with {machine['threads']} of {machine['cores']} cores.",
        body=render("running.html", engine=_from_here(engine), columns=columns, speeds=_speeds(speed, columns), batch=speed["prediction"].get("batch_size")),
    )


def _from_here(engine: dict[str, Any]) -> dict[str, Any]:
    """The report of the engines; a reason may name folders of this machine."""
    reasons = [{**row, "reason": row["reason"] and without_places(row["reason"])} for row in engine["reasons"]]
    return {**engine, "reasons": reasons, "table": engine["table"] and without_places(engine["table"])}


def _known(speed: dict[str, Any], key: str) -> list[str]:
    """When a rate was measured."""
    return [when for when in ("training", "prediction") if speed[when].get(key) is not None]


def _told_twice(speed: dict[str, Any]) -> str:
    """Of steps and tokens, where a step is a token, the one that is known less often; "" where they differ."""
    steps, tokens = _known(speed, "steps_per_s"), _known(speed, "tokens_per_s")
    if not tokens or any(speed[when]["tokens_per_s"] != speed[when].get("steps_per_s") for when in tokens):
        return ""
    return "tokens_per_s" if len(steps) > len(tokens) else "steps_per_s"


def _speeds(speed: dict[str, Any], columns: list[tuple[str, str]]) -> list[tuple[str, list[float | None]]]:
    """Training and prediction, each with its rates, to three digits."""
    return [
        (name, [_three_digits(speed[key].get(column)) for _, column in columns])
        for name, key in (("Training", "training"), ("Prediction", "prediction"))
    ]


def _three_digits(rate: float | None) -> float | None:
    return None if rate is None else float(f"{rate:.3g}")
