"""Products with matrices in the form in which they are stored: the tables of a matrix, and the statement that multiplies with it.

Floats and whole numbers of 8 or 4 bits are read in blocks of rows; what is multiplied stays a float, and a row's scale multiplies its sum. Where what is
multiplied is rounded too (`integers`), rows stand one after another, and sums are of whole numbers: `integers.py` has the C.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tenuto.export.c.arrays import in_blocks
from tenuto.export.c.integers import IN_32_BITS
from tenuto.layers.stored import Matrix

Constant = Callable[[str, np.ndarray, str], str]  # name, numbers, title: prints a table and says how it is called
_WORDS = {"float": "", "int8": ", as whole numbers of 8 bits", "int4": ", as whole numbers of 4 bits, two in a byte"}


class Table:
    """A matrix in C.

    Args:
        constant: prints a table. heads: how many blocks on the diagonal it is, each of as many rows.
        integers: to how many bits what it multiplies is rounded; 0: it is not.
    """

    def __init__(self, constant: Constant, name: str, matrix: Matrix, title: str, *, integers: int = 0, heads: int = 1) -> None:
        self.matrix, self.integers, self.heads, self.scale = matrix, integers, heads, ""
        height = matrix.shape[0] // heads
        parts = [matrix.rows(head * height, (head + 1) * height) for head in range(heads)]
        ordered = [part.numbers.reshape(-1) if integers else in_blocks(part.numbers) for part in parts]
        self.name = constant(name, np.concatenate(ordered), f"{title}, {matrix.shape[0]} x {matrix.shape[1]}{_WORDS[matrix.form]}")
        if matrix.scale is not None:
            scales = [in_blocks(part.scale.reshape(height, -1)) for part in parts if part.scale is not None]
            self.scale = constant(f"{name}_scale", np.concatenate(scales), f"What one of the numbers of {name} is worth, for each row" + (" and 64 columns" if matrix.form == "int4" else ""))

    def times(self, to: str, read: str) -> list[str]:
        """The statements that add its product with `read` to `to`. `read` of a layer of whole numbers is rounded already, and `quantum` is what one of them is worth."""
        rows, columns = self.matrix.shape[0] // self.heads, self.matrix.columns
        if self.heads == 1:
            return [self._call(to, self.name, self.scale, read, rows, columns)]
        per_row = [1 if array.ndim == 1 else array.shape[1] for array in (self.matrix.numbers, self.matrix.scale) if array is not None]
        table, scale = (f"{name} + head * {rows * numbers}" for name, numbers in zip((self.name, self.scale), [*per_row, 0]))
        return [f"for (int head = 0; head < {self.heads}; head++)", f"  {self._call(f'{to} + head * {rows}', table, scale, f'{read} + head * {columns}', rows, columns)}"]

    def _call(self, to: str, table: str, scale: str, read: str, rows: int, columns: int) -> str:
        if self.integers == 16:
            return f"multiply_16_bits{'' if columns <= IN_32_BITS else '_long'}({to}, {table}, {scale}, {read}, quantum, {rows}, {columns});"
        if self.integers:
            return f"multiply_integers({to}, {table}, {scale}, {read}, quantum, {rows}, {columns});"
        if self.matrix.form == "float":
            return f"multiply({to}, {table}, {read}, {rows}, {columns});"
        return f"multiply_{self.matrix.form}({to}, {table}, {scale}, {read}, {rows}, {columns});"

    def row(self, to: str, number: str) -> str:
        """The statement that copies a row of it to `to`, as floats."""
        rows, columns = self.matrix.shape
        if self.matrix.form == "float":
            return f"take_row({to}, {self.name}, {number}, {rows}, {columns});"
        return f"take_row_{self.matrix.form}({to}, {self.name}, {self.scale}, {number}, {rows}, {columns});"
