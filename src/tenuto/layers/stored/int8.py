"""`Int8`: whole numbers from -127 to 127, and one scale for each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from tenuto.layers.stored.weight import StoredWeight

if TYPE_CHECKING:
    from typing_extensions import Self

MOST = 127  # -128 is left out, so that a number and its negative are equally far from zero


class Int8(StoredWeight):
    """A weight [N, ...] as int8 [N, ...] and a scale [N].

    Equations:  scale_n = max |w_n| / 127;  int8_n = round(w_n / scale_n);  w_n ~ int8_n scale_n
    Example:
        >>> Int8.of(torch.tensor([[0.5, -1.0], [0.0, 0.0]])).int8.tolist()
        [[64, -127], [0, 0]]
    """

    form = "int8"
    buffers_of: ClassVar[tuple[str, ...]] = ("int8", "scale")
    int8: Tensor
    scale: Tensor

    def __init__(self, int8: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.shape = int8.shape
        self.register_buffer("int8", int8)
        self.register_buffer("scale", scale)

    @classmethod
    def of(cls, weight: Tensor) -> Self:
        weight = weight.detach()
        scale = weight.flatten(1).abs().amax(1) / MOST
        divisor = torch.where(scale > 0, scale, 1).reshape(-1, *[1] * (weight.dim() - 1))
        return cls((weight / divisor).round().clamp(-MOST, MOST).to(torch.int8), scale)

    @classmethod
    def empty(cls, weight: Tensor, tensors: Mapping[str, Tensor]) -> Self:
        return cls(torch.zeros_like(weight, dtype=torch.int8, requires_grad=False), weight.new_zeros(len(weight)))

    def made(self) -> Tensor:
        return self.int8.to(self.scale.dtype) * self.scale.reshape(-1, *[1] * (self.int8.dim() - 1))

    def rows(self, indices: Tensor) -> Tensor:
        return self.int8[indices].to(self.scale.dtype) * self.scale[indices][..., None]


class Int8x8(Int8):
    """As `Int8`, in a recurrent layer that rounds what it multiplies too: products are of whole numbers (`engines.problem`)."""

    form = "int8x8"
    buffers_of: ClassVar[tuple[str, ...]] = ("int8x8", "scale")
    bits = 0  # of what is read, where its scale is known before (`static.py`)

    def __init__(self, int8: Tensor, scale: Tensor) -> None:
        StoredWeight.__init__(self)
        self.shape = int8.shape
        self.register_buffer(self.form, int8)
        self.register_buffer("scale", scale)

    @property
    def int8(self) -> Tensor:  # type: ignore[override]
        """The whole numbers, under the name that `Int8` has for them."""
        return self.get_buffer(self.form)
