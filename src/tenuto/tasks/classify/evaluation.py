"""What only a classifier's evaluation.json has: the channels, and example sequences with the encoder's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tenuto.data import Sequences, Standardiser

STEPS_SHOWN, UNITS_SHOWN, EXAMPLES_SHOWN = 400, 128, 4


def describe_channels(standardiser: Standardiser) -> list[dict[str, Any]]:
    """Each channel of the training set, before standardisation."""
    columns = (standardiser.mean, standardiser.deviation, standardiser.minimum, standardiser.maximum)
    rows = zip(standardiser.channels, *(column.tolist() for column in columns))
    return [{"name": name, "mean": mean, "deviation": deviation, "minimum": low, "maximum": high} for name, mean, deviation, low, high in rows]


def examples(
    data: Sequences,
    name: str,
    classes: Sequence[str],
    targets: np.ndarray,
    probabilities: np.ndarray,
    states: Callable[[Sequences], list[np.ndarray]],
    directions: int,
) -> list[dict[str, Any]]:
    """At most four sequences with their hidden states: the most confident mistake first, then right ones, each of another class.

    Args:
        name: of the set. targets: [N]. probabilities: [N, K].
        states: a function from sequences to the encoder's outputs, [T_i, W] each. directions: how many stand side by side in W.
    """
    predicted, certainty = probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(predicted != targets)
    chosen = [int(wrong[np.argmax(certainty[wrong])])] if wrong.size else []
    for target in range(len(classes)):
        right = np.flatnonzero((targets == target) & (predicted == target))
        if right.size and len(chosen) < EXAMPLES_SHOWN and target not in targets[chosen]:
            chosen.append(int(right[len(right) // 2]))
    part = data.select(chosen)
    return [
        {
            "id": part.ids[row],
            "set": name,
            "label": classes[targets[index]],
            "predicted": classes[predicted[index]],
            "correct": bool(targets[index] == predicted[index]),
            "probabilities": [float(value) for value in probabilities[index]],
            "channels": list(part.channels),
            "input": _rounded(part.values[row][:STEPS_SHOWN]),
            **_picture(hidden, directions),
        }
        for row, (index, hidden) in enumerate(zip(chosen, states(part)))
    ]


def _picture(hidden: np.ndarray, directions: int) -> dict[str, Any]:
    """The encoder's outputs [T, W] for the page: the first steps, and the first units of each direction."""
    width = hidden.shape[1] // directions
    shown = min(width, UNITS_SHOWN)
    pieces = [hidden[:STEPS_SHOWN, start * width : start * width + shown] for start in range(directions)]
    names = ("forward", "backward")[:directions]
    return {
        "steps": len(hidden),
        "steps_shown": min(len(hidden), STEPS_SHOWN),
        "hidden": _rounded(np.concatenate(pieces, axis=1)),
        "directions": [{"name": name, "first": start * shown, "last": (start + 1) * shown} for start, name in enumerate(names)],
    }


def _rounded(values: np.ndarray) -> list[list[float]]:
    """Three significant digits are enough for a picture, and make the file a fifth as large."""
    return [[float(f"{value:.3g}") for value in row] for row in values.tolist()]
