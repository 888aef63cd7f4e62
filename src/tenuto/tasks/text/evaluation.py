"""The texts that a page shows: which ones, and how much of the pooled maxima each token gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tenuto.data.sentences.sentences import Sentences

EXAMPLES_SHOWN, TOKENS_SHOWN = 4, 120


def chosen_examples(lengths: np.ndarray, targets: np.ndarray, probabilities: np.ndarray) -> list[int]:
    """At most four texts: the most confident mistake first, then right ones, each of another class; texts too long for the page are left out.

    Args:
        lengths, targets: [N]. probabilities: [N, K].
    """
    predicted, certainty = probabilities.argmax(1), probabilities.max(1)
    short = lengths <= TOKENS_SHOWN
    wrong = np.flatnonzero((predicted != targets) & short)
    chosen = [int(wrong[np.argmax(certainty[wrong])])] if wrong.size else []
    for target in range(probabilities.shape[1]):
        right = np.flatnonzero((targets == target) & (predicted == target) & short)
        if right.size and len(chosen) < EXAMPLES_SHOWN and target not in targets[chosen]:
            chosen.append(int(right[len(right) // 2]))
    return chosen


def shares_of_maxima(states: Sequence[np.ndarray], *, pooled: bool) -> list[list[float]]:
    """For each text, the share of the W maxima over its outputs [T_i, W] that each token gave; equal shares where maxima are not pooled.

    Example:
        >>> shares_of_maxima([np.array([[1.0, 0.0, 2.0, 1.0], [0.0, 3.0, 1.0, 0.0]])], pooled=True)
        [[0.75, 0.25]]
    """
    counts = [np.bincount(part.argmax(0), minlength=len(part)) if pooled else np.ones(len(part)) for part in states]
    return [[float(f"{value:.4g}") for value in (count / count.sum()).tolist()] for count in counts]


def examples(
    data: Sentences,
    name: str,
    classes: Sequence[str],
    chosen: Sequence[int],
    targets: np.ndarray,
    probabilities: np.ndarray,
    weights: Sequence[Sequence[float]],
) -> list[dict[str, Any]]:
    """The chosen texts with what was answered; `weights` are those of each token, one list for each chosen text."""
    predicted = probabilities.argmax(1)
    return [
        {
            "id": data.ids[index],
            "set": name,
            "label": classes[targets[index]],
            "predicted": classes[predicted[index]],
            "correct": bool(targets[index] == predicted[index]),
            "probabilities": [float(value) for value in probabilities[index]],
            "tokens": list(data.tokens[index]),
            "weights": list(given),
        }
        for index, given in zip(chosen, weights)
    ]
