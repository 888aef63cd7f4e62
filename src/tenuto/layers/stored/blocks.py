"""`Blocks`: only those blocks of neighbouring rows in a column that are not all zeros, and one bit for each block that says whether it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tenuto.layers.stored.weight import StoredWeight

if TYPE_CHECKING:
    from typing_extensions import Self

ROWS = 16  # suits vectors of 4, 8 and 16 numbers


class Blocks(StoredWeight):
    """A weight [N, K] in blocks of R rows of one column: a bitmap [ceil(N K / 8 R)] of uint8, row by row of blocks, the first block in the highest bit; values [those that are there, R].

    In a recurrent layer, time loops that skip empty blocks run faster (`engines.problem`).
    Example:
        >>> stored = Blocks.in_blocks(torch.tensor([[0.0, 2.0], [0.0, 0.0], [0.0, 1.0], [0.0, 3.0]]), 2)
        >>> stored.blocks.tolist(), stored.values.tolist()
        ([80], [[2.0, 0.0], [1.0, 3.0]])
    """

    form = "blocks"
    buffers_of = ("blocks", "values")
    blocks: Tensor
    values: Tensor

    def __init__(self, blocks: Tensor, values: Tensor, shape: torch.Size) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("blocks", blocks)
        self.register_buffer("values", values)

    @classmethod
    def of(cls, weight: Tensor) -> Self:
        """In blocks of 16 rows."""
        return cls.in_blocks(weight, ROWS)

    @classmethod
    def in_blocks(cls, weight: Tensor, rows: int) -> Self:
        """In blocks of so many rows, of which the weight has a multiple."""
        cut = cut_into(weight.detach(), rows)  # [N / R, K, R]
        there = (cut != 0).any(-1)
        bits = torch.from_numpy(np.packbits(there.reshape(-1).cpu().numpy()))
        return cls(bits.to(weight.device), cut[there].clone(), weight.shape)

    @classmethod
    def empty(cls, weight: Tensor, tensors: Mapping[str, Tensor]) -> Self:
        values = tensors.get("values", weight.new_zeros(0, 1))
        if weight.dim() != 2 or values.dim() != 2 or not values.shape[1] or len(weight) % values.shape[1]:
            raise ValueError(f"a weight {list(weight.shape)} has no blocks {list(values.shape[1:])}")
        count = weight.numel() // values.shape[1]
        return cls(torch.zeros((count + 7) // 8, dtype=torch.uint8, device=weight.device), weight.new_zeros(values.shape), weight.shape)

    def made(self) -> Tensor:
        (outputs, columns), rows = self.shape, self.values.shape[1]
        bits = np.unpackbits(self.blocks.cpu().numpy(), count=outputs // rows * columns).astype(bool)
        there = torch.from_numpy(bits).to(self.values.device).reshape(-1, columns)
        if int(there.sum()) != len(self.values):
            raise ValueError(f"the bitmap of a weight marks {int(there.sum())} blocks, but there are {len(self.values)}")
        cut = self.values.new_zeros(outputs // rows, columns, rows)
        cut[there] = self.values
        return cut.transpose(1, 2).reshape(self.shape)


def cut_into(weight: Tensor, rows: int) -> Tensor:
    """A weight [N, K] as blocks [N / R, K, R]."""
    return weight.unflatten(0, (-1, rows)).transpose(1, 2)
