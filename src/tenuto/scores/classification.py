"""The scores of a classification: confusion matrix, precision, recall, F1, and an interval for the accuracy.

Where rows have weights, shares and means (accuracy, precision, recall, F1, loss) go by weight; counts (confusion, support) stay counts of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tenuto.data.weights import effective_count

LETTERS_OF_A_MISTAKE = 500


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities [N, K] float64 from logits [N, K]."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities, [N, K] float64, from logits [N, K]; finite where the logits are.

    Example:
        >>> log_softmax(np.array([[0.0, -1000.0]])).tolist()
        [[0.0, -1000.0]]
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    found: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def confusion_matrix(targets: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Counts [classes, classes], or sums of weights; rows are the true class, columns the predicted one.

    Args:
        targets, predicted: [N] int, 0..classes - 1. weights: [N].

    Example:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    return np.bincount(targets * classes + predicted, weights, minlength=classes * classes).reshape(classes, classes)


def by_class(confusion: np.ndarray, names: list[str], weighed: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support (how many there are) of each class, from a confusion matrix [classes, classes] and the classes' names.

    Precision is None if the class was never predicted, and recall is None if the class does not occur. F1 is None if both are None, and 0 if the class
    was never predicted correctly.

    Args:
        weighed: the matrix with sums of weights in place of counts; then precision, recall and F1 go by it.
    """
    table, sums = [], confusion if weighed is None else weighed
    for index, name in enumerate(names):
        hits, support, claimed = sums[index, index].item(), sums[index].sum().item(), sums[:, index].sum().item()
        table.append(
            {
                "name": name,
                "precision": hits / claimed if claimed else None,
                "recall": hits / support if support else None,
                "f1": 2 * hits / (support + claimed) if support + claimed else None,
                "support": int(confusion[index].sum()),
            }
        )
    return table


def wilson_interval(hits: float, count: float) -> list[float]:
    """The 95 % interval [low, high] for a share, given `hits` of `count`, which is above zero.

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


def mean_loss(log_probabilities: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The mean of minus the log-probability [N, K] of the true class [N], by weight [N], in nats."""
    return float(np.average(-log_probabilities[np.arange(len(targets)), targets], weights=weights))


def class_measures(log_probabilities: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> dict[str, float]:
    """Loss in nats, accuracy, balanced accuracy (the mean recall of the classes that occur) and macro F1 (their mean F1, and that of what else was predicted).

    Args:
        log_probabilities: [N, K]. targets: [N] int, the true classes. weights: [N].
    Example:
        >>> numbers = class_measures(np.log([[0.9, 0.1], [0.8, 0.2], [0.5, 0.5], [0.3, 0.7]]), np.array([0, 0, 0, 1]))
        >>> {name: round(value, 3) for name, value in numbers.items()}
        {'loss': 0.345, 'accuracy': 1.0, 'balanced_accuracy': 1.0, 'macro_f1': 1.0}
    """
    predicted, classes = log_probabilities.argmax(1), log_probabilities.shape[1]
    sums = confusion_matrix(targets, predicted, classes, weights)
    rows = by_class(sums, [""] * classes)
    recalls, scores = ([row[name] for row in rows if row[name] is not None] for name in ("recall", "f1"))
    return {
        "loss": mean_loss(log_probabilities, targets, weights),
        "accuracy": float(np.trace(sums) / sums.sum()),
        "balanced_accuracy": sum(recalls) / len(recalls),
        "macro_f1": sum(scores) / len(scores),
    }


def classification_result(
    probabilities: np.ndarray,
    targets: np.ndarray,
    names: list[str],
    ids: tuple[str, ...],
    weights: np.ndarray | None = None,
    *,
    text: Callable[[int], str] | None = None,
    mistakes: int = 50,
) -> dict[str, Any]:
    """The RESULT object of a classification in a run folder's evaluation.json (`runs/schema.py` says what each key means).

    Args:
        probabilities: [N, classes]. targets: [N] int, the true classes. names: the classes' names. ids: N texts.
        weights: [N], not all zero.
        text: of what is classified, by its position, where that is text; mistakes have its first letters.
        mistakes: how many mistakes to list at most.
    """
    predicted, measured = probabilities.argmax(1), class_measures(np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)), targets, weights)
    confusion = confusion_matrix(targets, predicted, len(names))
    sums = confusion if weights is None else confusion_matrix(targets, predicted, len(names), weights)
    certainty = probabilities[np.arange(len(targets)), predicted]
    wrong = np.flatnonzero((predicted != targets) & (True if weights is None else weights > 0))
    wrong = wrong[np.argsort(-certainty[wrong], kind="stable")][:mistakes]
    count = len(targets) if weights is None else effective_count(weights)
    return {
        "sequences": len(targets),
        **({} if weights is None else {"effective_sequences": count}),
        "loss": measured["loss"],
        "accuracy": measured["accuracy"],
        "accuracy_interval": wilson_interval(measured["accuracy"] * count, count),
        "majority_accuracy": float(sums.sum(1).max() / sums.sum()),
        "macro_f1": measured["macro_f1"],
        "balanced_accuracy": measured["balanced_accuracy"],
        "confusion": confusion.tolist(),
        "classes": by_class(confusion, names, sums),
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
