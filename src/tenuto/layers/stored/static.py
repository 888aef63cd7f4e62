"""`Int8x8Static`, `Int8x16Static`: as `Int8x8`, with scales for what is multiplied that are learnt from data once, instead of one for each row that is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tenuto.layers.stored.int8 import Int8x8

if TYPE_CHECKING:
    from typing_extensions import Self

LEAST = 1e-30  # a smaller range is that of zeros: 1 stands in its place


class Int8x8Static(Int8x8):
    """A weight [N, ...] as int8 [N, ...], a scale [N], and `most` [P]: the largest number that each P-th part of its rows, in order, multiplies.

    What is read becomes q = round(127 v / most), at a tie to the even number, and at most 127 on either side (`engines.problem`).
    Example:
        >>> Int8x8Static.reading(torch.eye(4), torch.tensor([1.0, 1.0, 0.5, 0.5])).most
        tensor([1.0000, 0.5000])
    """

    form = "int8x8_static"
    buffers_of = ("int8x8_static", "scale", "most")
    bits = 8
    most: Tensor

    def __init__(self, int8: Tensor, scale: Tensor, most: Tensor) -> None:
        super().__init__(int8, scale)
        self.register_buffer("most", most)

    @classmethod
    def of(cls, weight: Tensor) -> Self:
        """Of a weight that multiplies numbers from -1 to 1."""
        return cls.reading(weight, torch.ones(len(weight)))

    @classmethod
    def reading(cls, weight: Tensor, most: Tensor) -> Self:
        """Of a weight [N, ...], whose rows multiply numbers of at most `most` [N]."""
        plain = Int8x8.of(weight)
        most = torch.where(most < LEAST, 1, most).to(plain.scale)
        parts = next(parts for parts in range(1, len(most) + 1) if len(most) % parts == 0 and bool((most.view(parts, -1) == most.view(parts, -1)[:, :1]).all()))
        return cls(plain.int8, plain.scale, most.view(parts, -1)[:, 0].clone())

    @classmethod
    def empty(cls, weight: Tensor, tensors: Mapping[str, Tensor]) -> Self:
        most = tensors.get("most", weight.new_ones(1))
        if most.dim() != 1 or not 0 < len(most) <= len(weight) or len(weight) % len(most):
            raise ValueError(f"a weight of {len(weight)} rows has a range for each of some equal parts of them, not {list(most.shape)} ranges")
        return cls(torch.zeros_like(weight, dtype=torch.int8, requires_grad=False), weight.new_zeros(len(weight)), weight.new_ones(most.shape))

    def rows_of(self, buffer: str) -> Tensor:
        found = super().rows_of(buffer)
        return found.repeat_interleave(len(self.scale) // len(found)) if buffer == "most" else found


class Int8x16Static(Int8x8Static):
    """As `Int8x8Static`, but what is read becomes whole numbers of 16 bits: q = round(32767 v / most)."""

    form = "int8x16_static"
    buffers_of = ("int8x16_static", "scale", "most")
    bits = 16
