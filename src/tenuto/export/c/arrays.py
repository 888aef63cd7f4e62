"""Constant arrays as C writes them, and matrices in the order in which `multiply` reads them."""

from __future__ import annotations

import numpy as np

from tenuto.errors import ArgumentError
from tenuto.export.c.expressions import BLOCK, written
from tenuto.export.c.names import comment

_A_LINE = {"f": 8, "i": 24, "u": 24}
_TYPES = {"float64": "double", "float32": "float", "int8": "int8_t", "uint8": "uint8_t"}
BYTES = {"double": 8, "float": 4, "int8_t": 1, "uint8_t": 1}


def in_blocks(matrix: np.ndarray) -> np.ndarray:
    """A matrix [rows, columns] as `multiply` reads it: [rows * columns]."""
    rows = len(matrix) - len(matrix) % BLOCK
    blocks = matrix[:rows].reshape(-1, BLOCK, matrix.shape[1]).transpose(0, 2, 1)
    return np.concatenate([blocks.reshape(-1), matrix[rows:].reshape(-1)])


def constant(name: str, values: np.ndarray, title: str) -> str:
    """`static const` and the numbers, in their own type; float is written with nine digits, which is exact.

    Raises:
        ArgumentError: a number is not finite.
    """
    flat = values.reshape(-1)
    if not np.isfinite(flat).all():
        raise ArgumentError(f"{title} has numbers that are not finite.", expected="finite weights", received=f"{int((~np.isfinite(flat)).sum())} of {flat.size} are not")
    kind, line = _TYPES[flat.dtype.name], _A_LINE[flat.dtype.kind]
    texts = [written(value)[0] if kind == "float" else repr(value) for value in flat.tolist()]
    lines = [", ".join(texts[start : start + line]) for start in range(0, len(texts), line)]
    return f"/* {comment(title)} */\nstatic const {kind} {name}[{flat.size}] = {{\n  " + ",\n  ".join(lines) + "\n};\n"
