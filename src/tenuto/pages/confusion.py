"""Where the model is right and where it is wrong: the confusion matrix, a table of the classes, and the mistakes of which it was most certain."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenuto.pages.heat_map import heat_map_address
from tenuto.pages.opening import best_result
from tenuto.pages.page import Section, render
from tenuto.pages.wording import count, shortened
from tenuto.runs.folder import Run

MOST_CLASSES_AT_A_GLANCE, MOST_CLASSES_AS_TABLE = 14, 30
MOST_PAIRS, MOST_MISTAKES, MOST_LETTERS = 12, 12, 300


def section(run: Run, noun: str) -> Section:
    """The confusion matrix, the scores of each class, and the mistakes, with their text where the model read texts.

    Args:
        noun: what a class is predicted for: "sequence", "text".
    """
    shown, result = best_result(run.evaluation)
    names = run.evaluation["classes"]
    matrix = np.asarray(result["confusion"], dtype=np.int64).reshape(len(names), len(names))
    wrong = int(matrix.sum() - np.trace(matrix))
    return Section(
        name="answers",
        title="Where it is right and wrong",
        lead=_lead(f"{shown} {noun}", result["sequences"], wrong),
        body=render(
            "confusion.html",
            shown=shown,
            noun=noun,
            confusion=confusion(matrix, names, MOST_CLASSES_AS_TABLE, "class"),
            pairs=confused_pairs(matrix, names, MOST_PAIRS) if len(names) > MOST_CLASSES_AT_A_GLANCE else [],
            classes=result["classes"],
            mistakes=mistakes_shown(result["mistakes"][:MOST_MISTAKES]),
            mistakes_in_all=wrong,
        ),
    )


def confusion(matrix: np.ndarray, names: list[str], most: int, what: str) -> dict[str, Any]:
    """What `confusion_matrix.html` shows: a table, or a picture if there are more than `most` classes.

    Args:
        matrix: [C, C] counts; rows true. names: [C]. what: "class" or "tag".
    """
    return {
        "names": names,
        "what": what,
        "dense": len(names) > MOST_CLASSES_AT_A_GLANCE,
        "long_names": max(map(len, names)) > 3,
        "rows": cells(matrix) if len(names) <= most else None,
        "picture": None if len(names) <= most else heat_map_address(_signed(matrix), 1.0),
    }


def mistakes_shown(mistakes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mistakes with as much of their texts as a table has room for; "" for what is no text, and in runs that did not keep them."""
    return [{**one, "text": shortened(one.get("text") or "", MOST_LETTERS)} for one in mistakes]


def _lead(what: str, sequences: int, wrong: int) -> str:
    if wrong == 0:
        return f"The model gave the right answer for every one of {count(sequences, what)}."
    return f"Of {count(sequences, what)}, the model got {sequences - wrong:,} right and {wrong:,} wrong."


def _shares(matrix: np.ndarray) -> np.ndarray:
    """Counts [C, C] int as shares of each true class; the row of a class that does not occur is zeros."""
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def _signed(matrix: np.ndarray) -> np.ndarray:
    """Shares [C, C] of the true classes for a picture, in the colours of the table: those of right answers below zero (blue), of wrong ones above (orange)."""
    return _shares(matrix) * (1 - 2 * np.eye(len(matrix)))


def cells(matrix: np.ndarray) -> list[list[dict[str, Any]]]:
    """The cells of a confusion matrix [C, C], each with its count, its kind (`right`, `wrong`, `none`), and its share of the true class, which gives its colour."""
    shares = _shares(matrix)
    return [
        [
            {
                "count": int(matrix[true, said]),
                "kind": "none" if matrix[true, said] == 0 else "right" if true == said else "wrong",
                "share": round(float(shares[true, said]), 3),
            }
            for said in range(len(matrix))
        ]
        for true in range(len(matrix))
    ]


def confused_pairs(matrix: np.ndarray, names: list[str], most: int) -> list[dict[str, Any]]:
    """The pairs (true class, predicted class) that were confused most often, the most frequent first."""
    pairs = [
        {"true": names[true], "said": names[said], "count": int(matrix[true, said]), "of": int(matrix[true].sum())}
        for true, said in np.argwhere(matrix > 0)
        if true != said
    ]
    return sorted(pairs, key=lambda pair: -pair["count"])[:most]
