"""How good translations are: exact answers, symbol errors, how much of the sources the attention read.

A source may have several right targets (references). An answer is exact when it equals one of them; its edits are counted against the
nearest. Where sources are words and targets their pronunciations, 1 - `exact` is what the field calls the word error rate, and
`error_rate` the phoneme error rate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from tenuto.scores.classification import wilson_interval
from tenuto.scores.edit_distance import nearest

Symbols = tuple[str, ...]
BINS = 8


def translation_result(
    sources: Sequence[Symbols], answers: Sequence[Symbols], references: Sequence[Sequence[Symbols]], ids: Sequence[str], *, mistakes: int = 50
) -> dict[str, Any]:
    """How good answers are, compared with one or more references each: a part of the RESULT of a run folder's evaluation.json.

    Args:
        sources, answers: N each. references: N lists of targets, none empty. ids: N names.
    Example:
        >>> answers, references = [("a", "b"), ("c",)], [[("a", "b")], [("c", "d"), ("e",)]]
        >>> result = translation_result([("1",), ("2",)], answers, references, "xy")
        >>> result["exact"], result["error_rate"]
        (0.5, 0.25)
    """
    found = [nearest(answer, known) for answer, known in zip(answers, references, strict=True)]
    edits = np.array([distance for distance, _ in found])
    right = [known[place] for known, (_, place) in zip(references, found)]
    symbols = np.array([len(target) for target in right])
    exact = int((edits == 0).sum())
    worst = sorted(np.flatnonzero(edits).tolist(), key=lambda row: (-edits[row], row))[:mistakes]
    return {
        "sources": len(answers),
        "references": sum(len(known) for known in references),
        "exact": exact / len(answers),
        "exact_interval": wilson_interval(exact, len(answers)),
        "error_rate": float(edits.sum() / symbols.sum()),
        "by_length": _by_length(np.array([len(source) for source in sources]), edits, symbols),
        "mistakes": [
            {"id": ids[row], "source": list(sources[row]), "target": list(right[row]), "predicted": list(answers[row]), "edits": int(edits[row])}
            for row in worst
        ],
    }


def _by_length(lengths: np.ndarray, edits: np.ndarray, symbols: np.ndarray) -> list[dict[str, Any]]:
    """At most `BINS` rows by the source's length, each of about the same number of sources."""
    edges = sorted(set(np.quantile(lengths, np.arange(BINS) / BINS, method="lower").tolist()))
    rows = []
    for low, high in zip(edges, [*edges[1:], lengths.max() + 1]):
        inside = (lengths >= low) & (lengths < high)
        rows.append(
            {
                "length_min": int(lengths[inside].min()),
                "length_max": int(lengths[inside].max()),
                "pairs": int(inside.sum()),
                "exact": float((edits[inside] == 0).mean()),
                "error_rate": float(edits[inside].sum() / symbols[inside].sum()),
            }
        )
    return rows


def coverage(sources: Sequence[Symbols], weights: Sequence[np.ndarray], *, shown: int = 12, least: int = 5) -> dict[str, Any]:
    """How much of the sources the attention read.

    A source symbol's coverage is the sum of its weights over all steps of the answer, at most one.

    Args:
        sources: N. weights: N matrices [steps of the answer, source symbols].
        shown: how many symbols are listed, at most. least: of those that occur this often, if there are any.
    Returns:
        mean: over all source symbols, 0..1. uncovered: the share of source symbols whose coverage is less than a half.
        least_read: [{token, weight, count}], the symbols with the lowest mean coverage.
    Example:
        >>> found = coverage([("a", "b")], [np.array([[0.75, 0.25], [1.0, 0.0]])], least=1)
        >>> found["mean"], found["uncovered"], found["least_read"][0]
        (0.625, 0.5, {'token': 'b', 'weight': 0.25, 'count': 1})
    """
    by_symbol = defaultdict(list)
    for source, matrix in zip(sources, weights, strict=True):
        for symbol, amount in zip(source, np.minimum(matrix.sum(0), 1.0).tolist(), strict=True):
            by_symbol[symbol].append(amount)
    everything = np.concatenate([np.array(amounts) for amounts in by_symbol.values()])
    rows = [{"token": symbol, "weight": sum(amounts) / len(amounts), "count": len(amounts)} for symbol, amounts in by_symbol.items()]
    often = [row for row in rows if row["count"] >= least] or rows
    return {
        "mean": float(everything.mean()),
        "uncovered": float((everything < 0.5).mean()),
        "least_read": sorted(often, key=lambda row: (row["weight"], row["token"]))[:shown],
    }
