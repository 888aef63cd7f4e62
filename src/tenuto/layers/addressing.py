"""Where a memory is read and written: by content, by a shift, by sharpness, at a free row. What the NTM and the DNC share.

Every function has a finite gradient everywhere, also at a memory of zeros: a cosine has its epsilon inside the root, a product of many factors is taken of logarithms, nothing is divided by a sum that may be zero.
Letters: B batch, H heads, N rows of the memory, M their width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

EPSILON = 1e-6


class Interface(nn.Module):
    """What a controller says to its memory: one linear layer whose outputs have names.

    Args:
        width: of what is read. shapes: of each output, by name, in order.
    """

    def __init__(self, width: int, shapes: Mapping[str, tuple[int, ...]], **options: Any) -> None:
        super().__init__()
        self.shapes = dict(shapes)
        self.size = sum(map(math.prod, self.shapes.values()))
        self.project = nn.Linear(width, self.size, **options)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.named(self.project(x))

    def named(self, said: Tensor) -> dict[str, Tensor]:
        """What was said, [..., S], by name."""
        parts = said.split([math.prod(shape) for shape in self.shapes.values()], -1)
        return {name: part.unflatten(-1, shape) for (name, shape), part in zip(self.shapes.items(), parts)}


def oneplus(x: Tensor) -> Tensor:
    """1 + log(1 + e^x), from 1 upward (Graves et al. 2016, Methods, "Interface parameters")."""
    return 1 + nn.functional.softplus(x)


def similarity(keys: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
    """[B, H, N]: the cosine of each key and row, k . v / sqrt((|k|^2 + e) (|v|^2 + e)) with e = 1e-6.

    Args:
        keys: [B, H, M]. memory: [B, N, M].
        mask: [B, H, M], by which keys and rows are multiplied before (Csordás & Schmidhuber 2019, section 3.1).
    """
    if mask is None:
        weighed, rows = keys, memory.square().sum(-1)[:, None]
    else:
        squares = mask.square()
        weighed, rows = keys * squares, squares @ memory.square().mT
    own = (weighed * keys).sum(-1, keepdim=True)
    return weighed @ memory.mT * torch.rsqrt(own + EPSILON) * torch.rsqrt(rows + EPSILON)


def by_content(keys: Tensor, strengths: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
    """[B, H, N]: a softmax over the rows of strength times similarity. strengths: [B, H]."""
    return torch.softmax(strengths[..., None] * similarity(keys, memory, mask), -1)


def shifted(weights: Tensor, shifts: Tensor) -> Tensor:
    """w(i) = sum_j w(j) s(i - j), round and round.

    Args:
        weights: [B, H, N]. shifts: [B, H, 2 S + 1], how much goes -S, ..., S rows on.
    """
    reach = shifts.shape[-1] // 2
    moved = [weights.roll(offset, -1) * shifts[..., offset + reach, None] for offset in range(-reach, reach + 1)]
    return torch.stack(moved).sum(0)


def sharpened(weights: Tensor, powers: Tensor) -> Tensor:
    """w(i)^s / sum_j w(j)^s; where all w are below 1e-6, it fades to zero with them. The largest is taken out first, so that high powers do not underflow.

    Args:
        weights: [..., N]. Rounding may have made one a little negative; it counts as zero. powers: [...], from 1.

    Where w is zero, so are its derivatives (but the first at a power of 1): for powers below 2 the second grows without bound toward it.
    """
    weights, powers = weights.clamp(min=0), powers[..., None]
    part = weights / weights.detach().amax(-1, keepdim=True).clamp(min=EPSILON)
    raised = torch.where(part > 0, torch.where(part > 0, part, 1).pow(powers), torch.where(powers == 1, part, 0))
    return raised / raised.sum(-1, keepdim=True).clamp(min=1)


def allocated(usage: Tensor) -> Tensor:
    """a[f_j] = (1 - u[f_j]) prod_{i < j} u[f_i], where f sorts the rows by usage: most of it goes to the row that is used least.

    The product is exp of a sum of logarithms, of e + (1 - e) u with e = 1e-6. Among rows of equal usage the first comes first.

    Args:
        usage: [B, N], from 0 to 1.
    """
    order = usage.detach().sort(dim=-1, stable=True).indices
    used = (EPSILON + (1 - EPSILON) * usage.gather(-1, order)).clamp(EPSILON, 1)
    logs = used.log()
    free = (1 - used) * torch.exp(logs.cumsum(-1) - logs)
    return torch.zeros_like(usage).scatter(-1, order, free)
