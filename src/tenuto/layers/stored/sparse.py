"""`Sparse`: only the numbers that are not zero, and one bit for each place that says whether one stands there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tenuto.layers.stored.weight import StoredWeight


class Sparse(StoredWeight):
    """A weight of n numbers as a bitmap [ceil(n / 8)] of uint8, the first place in the highest bit, and its values [those that are not zero] in their order.

    Example:
        >>> stored = Sparse.of(torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, -1.0]]))
        >>> stored.sparse.tolist(), stored.values.tolist()
        ([68], [2.0, -1.0])
    """

    form = "sparse"
    buffers_of = ("sparse", "values")
    sparse: Tensor
    values: Tensor

    def __init__(self, sparse: Tensor, values: Tensor, shape: torch.Size) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("sparse", sparse)
        self.register_buffer("values", values)

    @classmethod
    def of(cls, weight: Tensor) -> Sparse:
        flat = weight.detach().reshape(-1)
        bits = torch.from_numpy(np.packbits((flat != 0).cpu().numpy()))
        return cls(bits.to(weight.device), flat[flat != 0].clone(), weight.shape)

    @classmethod
    def empty(cls, weight: Tensor, tensors: Mapping[str, Tensor]) -> Sparse:
        values = tensors.get("values", weight.new_zeros(0))
        return cls(torch.zeros((weight.numel() + 7) // 8, dtype=torch.uint8, device=weight.device), weight.new_zeros(values.shape), weight.shape)

    def made(self) -> Tensor:
        bits = np.unpackbits(self.sparse.cpu().numpy(), count=self.shape.numel()).astype(bool)
        there = torch.from_numpy(bits).to(self.values.device)
        if int(there.sum()) != len(self.values):
            raise ValueError(f"the bitmap of a weight marks {int(there.sum())} places, but there are {len(self.values)} values")
        return self.values.new_zeros(self.shape.numel()).masked_scatter(there, self.values).reshape(self.shape)
