"""`Matrix`: a weight as plain arrays, in the form in which a module stores it: what printers of other languages read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from tenuto.layers.stored.int4 import Int4
from tenuto.layers.stored.int8 import Int8
from tenuto.layers.stored.weight import StoredWeight


@dataclass(frozen=True)
class Matrix:
    """A weight of two axes.

    Attributes:
        numbers: [N, K] float32; or [N, K] int8; or [N, K / 2] uint8, two numbers of 4 bits each (`Int4`).
        scale: None of floats; [N] of int8; [N, K / 64] of 4 bits.
        columns: K.
    """

    numbers: np.ndarray
    scale: np.ndarray | None
    columns: int

    @staticmethod
    def floats(values: np.ndarray) -> Matrix:
        """A matrix of floats."""
        return Matrix(values, None, values.shape[1])

    @staticmethod
    def of(module: nn.Module, name: str = "weight") -> Matrix:
        """A module's weight; one of a form that is none of whole numbers, as floats."""
        stored = module._modules.get(name)
        if isinstance(stored, (Int8, Int4)) and len(stored.shape) == 2:
            return Matrix.stored(*(getattr(stored, buffer) for buffer in stored.buffers_of), stored.shape[1])
        whole = stored.whole() if isinstance(stored, StoredWeight) else getattr(module, name)
        return Matrix.floats(_array(whole.float()))

    @staticmethod
    def stored(numbers: torch.Tensor, scale: torch.Tensor, columns: int) -> Matrix:
        """Of the two buffers of an `Int8` or `Int4`. The number -128, which neither has, counts as -127."""
        return Matrix(_array(numbers.clamp(min=-127) if numbers.dtype == torch.int8 else numbers), _array(scale.float()), columns)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, K)."""
        return len(self.numbers), self.columns

    @property
    def form(self) -> str:
        """ "float", "int8" or "int4"."""
        return {"f": "float", "i": "int8", "u": "int4"}[self.numbers.dtype.kind]

    def rows(self, first: int, last: int) -> Matrix:
        """Some of its rows."""
        return Matrix(self.numbers[first:last], None if self.scale is None else self.scale[first:last], self.columns)

    def equals(self, other: Matrix) -> bool:
        """Whether both are the same numbers, stored in the same way."""
        same = self.shape == other.shape and np.array_equal(self.numbers, other.numbers)
        return same and (self.scale is None) == (other.scale is None) and (self.scale is None or np.array_equal(self.scale, other.scale))  # type: ignore[arg-type]


def together(parts: Sequence[Matrix]) -> Matrix:
    """Matrices of one form, one below the other."""
    scales = [part.scale for part in parts if part.scale is not None]
    return Matrix(np.concatenate([part.numbers for part in parts]), np.concatenate(scales) if scales else None, parts[0].columns)


def _array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().cpu().numpy()  # type: ignore[no-any-return]
