"""What the commands do for a regression: answers as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenuto.data import Sequences
from tenuto.errors import ArgumentError
from tenuto.tasks.answers import layers_said, ways_said
from tenuto.tasks.task import ClassTable


def predict(model: Any, data: Sequences, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for each sequence: its id, `predicted` (of several targets `predicted NAME`), and for each level that is asked for the ends of the interval, `predicted-lo-80` and `predicted-hi-80`."""
    found = _columns(model.predict(data))
    names = ["predicted"] if found.shape[1] == 1 else [f"predicted {name}" for name in model.target_names_]
    ends = {said: model.predict_interval(data, level=level) for said, level in map(_level, choices["levels"])}
    rows = []
    for row, identity in enumerate(data.ids):
        one: dict[str, Any] = {"id": identity}
        for place, name in enumerate(names):
            one[name] = _shown(found[row, place])
            for said, interval in ends.items():
                low, high = interval.reshape(len(found), -1, 2)[row, place]
                one |= {f"{name}-lo-{said}": _shown(low), f"{name}-hi-{said}": _shown(high)}
        rows.append(one)
    return rows


def described(model: Any) -> str:
    """The network in a few words."""
    return f"{layers_said(model)}, {ways_said(model)}, seed {model.random_state}"


def said(result: Mapping[str, Any]) -> str:
    """The error of each target, with that of answering the mean of the training part."""
    rows = [f"{one['name']} {one['rmse']:.4g} (always the mean: {one['rmse_of_mean']:.4g})" for one in result["targets"][:4]]
    more = f", and {len(result['targets']) - 4} more" if len(result["targets"]) > 4 else ""
    explained = "" if result["r2"] is None else f"R² {result['r2']:.3f}, "
    return f"{explained}root mean square error of {result['sequences']} sequences: {'; '.join(rows)}{more}"


def score(result: Mapping[str, Any]) -> list[str | ClassTable]:
    """Errors, R² and intervals of each target."""
    lines: list[str | ClassTable] = [f"{result['sequences']} sequences{', by weight' * ('effective_sequences' in result)}; loss {result['loss']:.4f} nats a target"]
    for one in result["targets"]:
        low, high = one["rmse_range"]
        explained = "" if one["r2"] is None else f", R² {one['r2']:.3f}"
        lines.append(f"{one['name']}: root mean square error {one['rmse']:.4g} (95 % interval {low:.4g} to {high:.4g}; always the mean: {one['rmse_of_mean']:.4g}), mean absolute error {one['mae']:.4g}{explained}")
        inside = [f"{one[key]:.1%} in the {key.removeprefix('inside_')} % interval" for key in one if key.startswith("inside_") and one[key] is not None]
        if inside:
            lines.append(f"{one['name']}: " + ", ".join(inside))
    return lines


def _level(typed: Any) -> tuple[str, float]:
    """A level as it was typed, for the names of columns, and as a number."""
    try:
        level = float(str(typed).removesuffix("%"))
    except ValueError:
        raise ArgumentError(f"--level {typed} is no level.", expected="per cent, for example 80") from None
    return f"{level:g}", level


def _columns(found: np.ndarray) -> np.ndarray:
    return found[:, None] if found.ndim == 1 else found


def _shown(value: float) -> float:
    """Seven significant digits, which is what float32 has."""
    return float(f"{value:.7g}")
