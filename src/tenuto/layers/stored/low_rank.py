"""`LowRank`: a weight as the product of two factors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tenuto.layers.stored.weight import StoredWeight


class LowRank(StoredWeight):
    """A weight [N, K] of rank R as low_rank [N, R] and right [R, K]; R (N + K) numbers.

    Equations:  w = low_rank right
    Example:
        >>> stored = LowRank.of(torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [-1.0, -2.0, -3.0]]))
        >>> stored.low_rank.shape, stored.right.shape
        (torch.Size([3, 1]), torch.Size([1, 3]))
    """

    form = "low_rank"
    buffers_of = ("low_rank", "right")
    low_rank: Tensor
    right: Tensor

    def __init__(self, low_rank: Tensor, right: Tensor, shape: torch.Size) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("low_rank", low_rank)
        self.register_buffer("right", right)

    @classmethod
    def of(cls, weight: Tensor) -> LowRank:
        """Of the rank that the weight has, as far as its numbers' precision tells."""
        flat = weight.detach().flatten(1)
        sizes = torch.linalg.svdvals(flat.double())
        least = sizes[0] * max(flat.shape) * torch.finfo(flat.dtype).eps
        return cls(*factors(flat, max(1, int((sizes > least).sum()))), weight.shape)

    @classmethod
    def empty(cls, weight: Tensor, tensors: Mapping[str, Tensor]) -> LowRank:
        rank = tensors["right"].shape[0] if "right" in tensors else 1
        return cls(weight.new_zeros(len(weight), rank), weight.new_zeros(rank, weight[0].numel()), weight.shape)

    def made(self) -> Tensor:
        return (self.low_rank @ self.right).reshape(self.shape)


def factors(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """[N, R] and [R, K], whose product is nearest to a weight [N, K] of all that have this rank; both are of one size, so that both learn alike."""
    left, sizes, right = torch.linalg.svd(weight.detach().double(), full_matrices=False)
    roots = sizes[:rank].sqrt()
    return (left[:, :rank] * roots).to(weight.dtype).contiguous(), (roots[:, None] * right[:rank]).to(weight.dtype).contiguous()
