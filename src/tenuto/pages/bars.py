"""The probabilities of classes as bars."""

from __future__ import annotations

from typing import Any

from tenuto.pages.wording import percent

FEWEST_BARS, MOST_BARS = 3, 6


def bars(example: dict[str, Any], classes: list[str]) -> list[dict[str, Any]]:
    """The probabilities of the likeliest classes, and of the true class even if it is not among them."""
    probabilities = [0.0 if p is None else p for p in example["probabilities"]]
    order = sorted(range(len(classes)), key=lambda index: -probabilities[index])
    kept = [index for rank, index in enumerate(order[:MOST_BARS]) if rank < FEWEST_BARS or probabilities[index] >= 0.0005]
    true = classes.index(example["label"]) if example["label"] in classes else None
    if true is not None and true not in kept:
        kept[-1] = true
    return [
        {
            "name": classes[index],
            "share": round(100 * probabilities[index], 1),
            "said": percent(probabilities[index]),
            "kind": "is-true" if index == true else "is-wrong" if classes[index] == example["predicted"] else "",
        }
        for index in kept
    ]
