"""Labels: one array of one kind, whatever they came as."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenuto.errors import DataError


def as_labels(labels: Any) -> np.ndarray:
    """Labels as one array `[N]` of one kind; mixed kinds and missing labels are errors."""
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    given = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    kinds = {type(label.item() if isinstance(label, np.generic) else label) for label in given}
    absent = [index for index, label in enumerate(given) if label is None or label != label]
    if absent:
        raise DataError(f"sequence at position {absent[0]} has no label.", fix="label it, or leave it out")
    if len(kinds) > 1 or not kinds <= {str, int, float, bool}:
        raise DataError(
            "labels are of more than one kind." if len(kinds) > 1 else "labels are of a kind that cannot be saved.",
            expected="[N], all text, all integers, all floats or all booleans",
            received=", ".join(sorted(kind.__name__ for kind in kinds)),
            fix="convert them, for example with [str(label) for label in y]",
        )
    return np.array(given)
