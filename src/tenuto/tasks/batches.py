"""`Batches`: how a set is cut into batches for prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Batches(NamedTuple):
    """How a set is cut into batches for prediction.

    Attributes:
        order: [N] numbers; items that are sorted by them and cut into batches need little padding.
        rows: of a batch, at most.
        make: a function from positions in the set to a batch of these items, which has `to(device)`.
        padded: where `order` is lengths in steps: steps of a batch at most, padding included, so that long items need no more memory than many short ones.
    """

    order: np.ndarray
    rows: int
    make: Callable[[np.ndarray], Any]
    padded: int | None = None
