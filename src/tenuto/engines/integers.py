"""Products of whole numbers of 8 bits, in torch: what the compiled kernels compute (`cpp/kernels/integers.h`, `wide.h`), with sums that are exact.

A row is rounded with a scale of its own, so that its product depends on nothing but itself; or all rows with one scale that is known before, to 8 or 16 bits.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MOST = 127
TINY = 1e-30  # a row of smaller numbers counts as zeros


class Range(NamedTuple):
    """A scale that is known before. most: [1], the largest number that is read; larger ones count as it. bits: 8 or 16, of what it becomes."""

    most: Tensor
    bits: int


def rounded(rows: Tensor, within: Range | None = None) -> tuple[Tensor, Tensor]:
    """Rows [..., K] as whole numbers, in their own dtype, and their scales [..., 1]. A row with a NaN or Inf has the scale NaN."""
    if within is not None:
        return _within(rows, *within)
    largest = rows.abs().amax(-1, keepdim=True) if rows.shape[-1] else rows.new_zeros(*rows.shape[:-1], 1)
    zero = largest < TINY
    scale = torch.where(zero, 0, torch.where(torch.isfinite(largest), largest, torch.nan) / MOST)
    return torch.where(zero, 0, (rows * (MOST / torch.where(zero, 1, largest))).round()), scale


def _within(rows: Tensor, most: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    count = 2 ** (bits - 1) - 1
    finite = torch.isfinite(rows).all(-1, keepdim=True) & torch.isfinite(most) & (most >= TINY)
    return (rows * (count / most)).clamp(-count, count).round(), torch.where(finite, most / count, torch.nan)


def product(rows: Tensor, weight: Tensor, scale: Tensor, within: Range | None = None) -> Tensor:
    """rows [..., K] times an int8 weight [N, K] with scales [N]: [..., N]. Its derivative is that of the rows as they were before rounding."""
    with torch.no_grad():
        numbers, row_scale = rounded(rows, within)
        sums = torch.nan_to_num(numbers).double() @ weight.clamp(min=-MOST).double().T  # at most 2^53: exact, in any order
        found = sums.to(rows.dtype) * (row_scale * scale)
    if not (torch.is_grad_enabled() and rows.requires_grad):
        return found
    smooth = torch.nn.functional.linear(rows, weight.to(rows.dtype) * scale[:, None])
    return smooth + (found - smooth).detach()


def products(rows: Tensor, weight: Tensor, scale: Tensor, heads: int, widths: list[int], within: Range | None = None) -> list[Tensor]:
    """The products of a stack: rows [B, K], weight [sum of widths, K / heads], one result for each width. A row has one scale for all heads."""
    if heads == 1:
        return list(product(rows, weight, scale, within).split(widths, -1))
    whole = weight.new_zeros(len(weight), rows.shape[-1])
    row, depth = 0, weight.shape[1]
    for width in widths:
        for head in range(heads):
            some = slice(row, row + width // heads)
            whole[some, head * depth : (head + 1) * depth] = weight[some]
            row = some.stop
    return list(product(rows, whole, scale, within).split(widths, -1))
