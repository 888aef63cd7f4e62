"""The numbers of a translation: exact matches, symbol errors, what the attention covered.

A source may have several right answers. An answer is right when it equals one of them; its edits are counted against the nearest.
Where sources are words and targets their pronunciations, `error_rate` is what the field calls the word error rate, and
`token_error_rate` the phoneme error rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tenuto.tasks.classification_metrics import wilson_interval
from tenuto.tasks.edit_distance import nearest

Target = tuple[str, ...]


def translation_result(
    answers: Sequence[Target],
    references: Sequence[Sequence[Target]],
    *,
    sources: Sequence[str],
    shown: Sequence[str],
    scores: Sequence[float],
    mistakes: int = 50,
) -> dict[str, Any]:
    """Accuracy and error rates of answers against one or more references each.

    Args:
        answers: N targets, as symbols. references: N lists of targets, none empty.
        sources, shown: N sources and answers as texts, for the list of mistakes. scores: N log probabilities a symbol, for their order.
    Returns:
        sequences; accuracy, accuracy_interval (Wilson, 95 %), error_rate = 1 - accuracy; token_error_rate: edits to the nearest
        reference over the symbols of those references; edits: {"0": how many answers have none, ...}; mistakes: the surest first.
    Example:
        >>> result = translation_result([("a", "b"), ("c",)], [[("a", "b")], [("c", "d"), ("e",)]], sources="12", shown=["ab", "c"], scores=[0, 0])
        >>> result["accuracy"], result["token_error_rate"]
        (0.5, 0.25)
    """
    edits, symbols, counts, wrong = 0, 0, Counter[int](), []
    for number, (answer, known) in enumerate(zip(answers, references, strict=True)):
        distance, place = nearest(answer, known)
        edits, symbols = edits + distance, symbols + len(known[place])
        counts[distance] += 1
        if distance:
            wrong.append((number, distance))
    wrong.sort(key=lambda item: -scores[item[0]])
    right = counts[0]
    return {
        "sequences": len(answers),
        "references": sum(len(known) for known in references),
        "accuracy": right / len(answers),
        "accuracy_interval": wilson_interval(right, len(answers)),
        "error_rate": 1 - right / len(answers),
        "token_error_rate": edits / symbols,
        "edits": {str(distance): counts[distance] for distance in sorted(counts)},
        "mistakes": [
            {
                "source": sources[number],
                "predicted": shown[number],
                "targets": [" ".join(known) for known in references[number]],
                "edits": distance,
                "score": float(scores[number]),
            }
            for number, distance in wrong[:mistakes]
        ],
    }


def coverage(weights: Sequence[Sequence[Sequence[float]]]) -> dict[str, float]:
    """How much of the sources attention looked at.

    A source symbol's coverage is the sum of its weights over all steps of the answer, at most one.

    Args:
        weights: one matrix (steps of the answer, source symbols) a source.
    Returns:
        coverage: its mean over all source symbols, 0..1; uncovered: the share of symbols with less than a half.
    Example:
        >>> coverage([[[0.75, 0.25], [1.0, 0.0]]])
        {'coverage': 0.625, 'uncovered': 0.5}
    """
    sums = [min(sum(column), 1.0) for matrix in weights for column in zip(*matrix)]
    return {"coverage": sum(sums) / len(sums), "uncovered": sum(amount < 0.5 for amount in sums) / len(sums)}
