"""`Int4`: whole numbers from -7 to 7, two to a byte, and one scale for each group of a row, which has the bits of a bfloat16."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tenuto.layers.stored.weight import StoredWeight

MOST = 7
GROUP = 64  # neighbouring columns that have one scale
_ZERO = 8  # what stands for zero in four bits
_TRIED = tuple(1 - step / 20 for step in range(8))  # shares of the largest number: to cut it off may cost less than a coarse scale does


class Int4(StoredWeight):
    """A weight [N, K], or [N, ...] of K numbers a row, as int4 [N, K / 2] uint8 and a scale [N, K / 64].

    Equations:  w_nk ~ scale_n,g(k) (half_nk - 8), with g(k) = k // 64; half_nk are the lower four bits of byte k / 2 where k is even, else the upper four
    Example:
        >>> Int4.of(torch.tensor([[0.5, -1.0, 0.25]])).whole()
        tensor([[ 0.5430, -0.9502,  0.2715]])
    """

    form = "int4"
    buffers_of = ("int4", "scale")
    int4: Tensor
    scale: Tensor

    def __init__(self, int4: Tensor, scale: Tensor, shape: torch.Size) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("int4", int4)
        self.register_buffer("scale", scale)

    @classmethod
    def of(cls, weight: Tensor) -> Int4:
        rows = weight.detach().flatten(1)
        scale = torch.stack([group_scale(part) for part in rows.split(GROUP, 1)], 1)
        return cls.packed(nearest(rows, spread(scale, rows.shape[1])), scale, weight.shape)

    @classmethod
    def packed(cls, numbers: Tensor, scale: Tensor, shape: torch.Size) -> Int4:
        """From whole numbers [N, K], -7 to 7, and their scales."""
        halves = torch.nn.functional.pad((numbers + _ZERO).to(torch.uint8), (0, numbers.shape[1] % 2), value=_ZERO)
        return cls(halves[:, 0::2] | (halves[:, 1::2] << 4), scale, shape)

    @classmethod
    def empty(cls, weight: Tensor, tensors: Mapping[str, Tensor]) -> Int4:
        columns = weight[0].numel()
        return cls(weight.new_zeros(len(weight), -(-columns // 2), dtype=torch.uint8), weight.new_zeros(len(weight), -(-columns // GROUP)), weight.shape)

    def in_file(self, buffer: str) -> Tensor:
        whole = super().in_file(buffer)
        half = whole.bfloat16()
        return half if buffer == "scale" and torch.equal(half.to(whole.dtype), whole) else whole  # runs from before have scales of 32 bits

    def made(self) -> Tensor:
        return self._floats(self.int4, self.scale).reshape(self.shape)

    def rows(self, indices: Tensor) -> Tensor:
        return self._floats(self.int4[indices], self.scale[indices])

    def _floats(self, packed: Tensor, scale: Tensor) -> Tensor:
        halves = torch.stack([packed & 15, packed >> 4], -1).flatten(-2)
        columns = self.shape[1:].numel()
        return (halves[..., :columns].to(scale.dtype) - _ZERO) * spread(scale, columns)


def group_scale(part: Tensor) -> Tensor:
    """[N], the scale of each row of a group [N, K] whose rounding errors are smallest, a number of bfloat16; 0 for a row of zeros."""
    most = part.abs().amax(1)
    tried = torch.stack([most * share / MOST for share in _TRIED]).bfloat16().to(part.dtype)  # [S, N]
    errors = torch.stack([(nearest(part, scale[:, None]) * scale[:, None] - part).square().sum(1) for scale in tried])
    return tried.gather(0, errors.argmin(0)[None])[0]


def nearest(numbers: Tensor, scale: Tensor) -> Tensor:
    """The whole numbers, -7 to 7, that times the scale come nearest."""
    return (numbers / torch.where(scale > 0, scale, 1)).round().clamp(-MOST, MOST)


def spread(scale: Tensor, columns: int) -> Tensor:
    """Scales of groups [..., K / 64] for each column [..., K]."""
    return scale.repeat_interleave(GROUP, -1)[..., :columns]
