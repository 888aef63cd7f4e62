"""Constant arrays as C writes them, and matrices in the order in which `multiply` reads them."""

from __future__ import annotations

import numpy as np

from tenuto.errors import ArgumentError
from tenuto.export.c.expressions import BLOCK, written
from tenuto.export.c.names import comment

_A_LINE = 8


def in_blocks(matrix: np.ndarray) -> np.ndarray:
    """A matrix [rows, columns] as `multiply` reads it: [rows * columns]."""
    rows = len(matrix) - len(matrix) % BLOCK
    blocks = matrix[:rows].reshape(-1, BLOCK, matrix.shape[1]).transpose(0, 2, 1)
    return np.concatenate([blocks.reshape(-1), matrix[rows:].reshape(-1)])


def constant(name: str, values: np.ndarray, title: str) -> str:
    """`static const` and the numbers, in float or, where they are so, in double; float is written with nine digits, which is exact.

    Raises:
        ArgumentError: a number is not finite.
    """
    flat = values.reshape(-1)
    if not np.isfinite(flat).all():
        raise ArgumentError(f"{title} has numbers that are not finite.", expected="finite weights", received=f"{int((~np.isfinite(flat)).sum())} of {flat.size} are not")
    double = flat.dtype == np.float64
    texts = [f"{value!r}" if double else written(value)[0] for value in flat.tolist()]
    lines = [", ".join(texts[start : start + _A_LINE]) for start in range(0, len(texts), _A_LINE)]
    kind = "double" if double else "float"
    return f"/* {comment(title)} */\nstatic const {kind} {name}[{flat.size}] = {{\n  " + ",\n  ".join(lines) + "\n};\n"
