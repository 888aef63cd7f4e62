"""The scores of a classification: confusion matrix, precision, recall, F1, and an interval for the accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

LETTERS_OF_A_MISTAKE = 500


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities [N, K] float64 from logits [N, K]."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def confusion_matrix(targets: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts [classes, classes]; rows are the true class, columns the predicted one.

    Args:
        targets, predicted: [N] int, 0..classes - 1.

    Example:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    return np.bincount(targets * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def by_class(confusion: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support (how many there are) of each class, from a confusion matrix [classes, classes] and the classes' names.

    Precision is None if the class was never predicted, and recall is None if the class does not occur. F1 is None if both are None, and 0 if the class
    was never predicted correctly.
    """
    table = []
    for index, name in enumerate(names):
        hits, support, claimed = int(confusion[index, index]), int(confusion[index].sum()), int(confusion[:, index].sum())
        table.append(
            {
                "name": name,
                "precision": hits / claimed if claimed else None,
                "recall": hits / support if support else None,
                "f1": 2 * hits / (support + claimed) if support + claimed else None,
                "support": support,
            }
        )
    return table


def wilson_interval(hits: int, count: int) -> list[float]:
    """The 95 % interval [low, high] for a share, given `hits` of `count`; `count` is 1 or more.

    Source:     the score interval, Wilson 1927.
    Example:
        >>> [round(bound, 3) for bound in wilson_interval(364, 370)]
        [0.965, 0.993]
    """
    z = 1.959963984540054
    share, scale = hits / count, 1 + z * z / count
    centre = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return [max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)]


def classification_result(
    probabilities: np.ndarray,
    targets: np.ndarray,
    names: list[str],
    ids: tuple[str, ...],
    *,
    text: Callable[[int], str] | None = None,
    mistakes: int = 50,
) -> dict[str, Any]:
    """The RESULT object of a classification in a run folder's evaluation.json (`runs/schema.py` says what each key means).

    Args:
        probabilities: [N, classes]. targets: [N] int, the true classes. names: the classes' names. ids: N texts.
        text: of what is classified, by its position, where that is text; mistakes have its first letters.
        mistakes: how many mistakes to list at most.
    """
    predicted = probabilities.argmax(1)
    confusion = confusion_matrix(targets, predicted, len(names))
    rows = by_class(confusion, names)
    scores = [row["f1"] for row in rows if row["f1"] is not None]
    certainty = probabilities[np.arange(len(targets)), predicted]
    wrong = np.flatnonzero(predicted != targets)
    wrong = wrong[np.argsort(-certainty[wrong], kind="stable")][:mistakes]
    likelihood = np.maximum(probabilities[np.arange(len(targets)), targets], np.finfo(np.float64).tiny)
    hits = int(np.trace(confusion))
    return {
        "sequences": len(targets),
        "loss": float(-np.log(likelihood).mean()),
        "accuracy": hits / len(targets),
        "accuracy_interval": wilson_interval(hits, len(targets)),
        "majority_accuracy": float(confusion.sum(1).max() / len(targets)),
        "macro_f1": sum(scores) / len(scores),
        "confusion": confusion.tolist(),
        "classes": rows,
        "mistakes": [
            {
                "id": ids[index],
                "label": names[targets[index]],
                "predicted": names[predicted[index]],
                "probability": float(certainty[index]),
                **({} if text is None else {"text": text(int(index))[:LETTERS_OF_A_MISTAKE]}),
            }
            for index in wrong
        ],
    }
