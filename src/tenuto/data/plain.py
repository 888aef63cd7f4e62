"""Arrays as plain data that JSON can hold, and back, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(array: np.ndarray) -> dict[str, Any]:
    """An array of numbers as its type, its shape and a list.

    Example:
        >>> plain(np.ones((1, 2), np.float32))
        {'dtype': 'float32', 'shape': [1, 2], 'values': [1.0, 1.0]}
    """
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": array.ravel().tolist()}


def array_of(data: Mapping[str, Any]) -> np.ndarray:
    """What `plain` made plain."""
    return np.array(data["values"], dtype=data["dtype"]).reshape(data["shape"])
