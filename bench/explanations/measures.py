"""How well values say which cells count, where the truth is known: areas of the benchmark's papers, and the cells with the largest values.

Shapes: N series, T steps, F features.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def areas(values: Floats, truth: NDArray[np.bool_]) -> dict[str, float]:
    """AUP, AUR, AUROC, AUPRC of |values| [N, T, F], all cells together, as the published numbers were made.

    Each series is scaled to 0 ... 1 by its own smallest and largest size. Above each threshold lie some cells: their precision and their recall, as areas over
    the threshold, are AUP and AUR (so AUR is not near 1 even for a perfect order: values must also be far from zero). AUROC and AUPRC know the order only.
    """
    sizes = np.abs(values).reshape(len(values), -1)
    lowest, highest = sizes.min(1, keepdims=True), sizes.max(1, keepdims=True)
    scaled, right = ((sizes - lowest) / (highest + 1e-5)).ravel(), truth.reshape(-1).astype(bool)
    order = np.argsort(-scaled, kind="stable")
    scaled, right = scaled[order], right[order]
    last = np.append(np.flatnonzero(np.diff(scaled)), len(scaled) - 1)  # the last cell of each threshold
    hits, taken = np.cumsum(right)[last], last + 1
    precision, recall, false = hits / taken, hits / right.sum(), (taken - hits) / (~right).sum()
    thresholds = scaled[last]
    return {
        "AUP": float(-np.trapezoid(precision, thresholds)),
        "AUR": float(-np.trapezoid(recall, thresholds)),
        "AUROC": float(np.trapezoid(np.append(0.0, recall), np.append(0.0, false))),
        "AUPRC": float((np.diff(np.append(0.0, recall)) * precision).sum()),
    }


def top_cells(values: Floats, truth: NDArray[np.bool_]) -> dict[str, float]:
    """Of one item [T, F] with K cells that count: precision, the share that counts among the K / 2 largest; recall, the share of those that count among the 2 K largest."""
    order, right = np.argsort(-np.abs(values), axis=None, kind="stable"), truth.ravel()
    count = int(right.sum())
    few, many = right[order[: max(1, count // 2)]], right[order[: 2 * count]]
    return {"precision": float(few.mean()), "recall": float(many.sum() / count)}


def share(values: Floats, truth: NDArray[np.bool_]) -> float:
    """The share of all |values| that lies on the cells that count."""
    sizes = np.abs(values)
    return float(sizes[truth].sum() / max(sizes.sum(), 1e-300))


def mean_and_spread(found: list[dict[str, float]]) -> dict[str, list[float]]:
    """The mean and the standard deviation over runs, by name; of one run the deviation is zero."""
    return {name: [float(np.mean([one[name] for one in found])), float(np.std([one[name] for one in found], ddof=1)) if len(found) > 1 else 0.0] for name in found[0]}
