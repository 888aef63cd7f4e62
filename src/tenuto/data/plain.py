"""Arrays as plain data that JSON can hold, and back, to the last bit. JSON has no infinity and no NaN: these are texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def plain_array(array: np.ndarray) -> dict[str, Any]:
    """An array of numbers as its type, its shape and a list.

    Example:
        >>> plain_array(np.ones((1, 2), np.float32))
        {'dtype': 'float32', 'shape': [1, 2], 'values': [1.0, 1.0]}
    """
    values = array.ravel()
    odd = set() if array.dtype.kind in "biu" else set(np.flatnonzero(~np.isfinite(values)).tolist())
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": [str(value) if place in odd else value for place, value in enumerate(values.tolist())]}


def array_of(data: Mapping[str, Any]) -> np.ndarray:
    """What `plain_array` made plain."""
    return np.array(data["values"], dtype=data["dtype"]).reshape(data["shape"])
