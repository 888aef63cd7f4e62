"""Rounding with error feedback: what a column loses is made good by the columns that are still to be rounded, as far as what the weight reads allows it.

Source: Frantar et al. 2023 (GPTQ), with the columns in their own order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tenuto.layers.stored.int4 import GROUP, Int4, group_scale, nearest

DAMPING = 0.01  # of the mean of the diagonal: directions in which nothing was seen must not take all the error


def int4_with_feedback(weight: Tensor, seen: list[tuple[slice, Tensor]]) -> Int4:
    """A weight [N, K] as int4.

    Args:
        seen: rows, and the second moments [K, K] of what these rows are multiplied with. Rows that are in none are rounded each for itself.
    """
    plain = Int4.of(weight)
    numbers, scale = nearest(weight.detach(), plain_scales(plain)), plain.scale.clone()
    for rows, moments in seen:
        numbers[rows], scale[rows] = _rounded(weight.detach()[rows], moments)
    return Int4.packed(numbers, scale, weight.shape)


def plain_scales(stored: Int4) -> Tensor:
    """The scale of each number of a weight."""
    return stored.scale.repeat_interleave(GROUP, -1)[:, : stored.shape[1]]


def _rounded(weight: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers [N, K] and scales [N, K / 64]."""
    left, hessian = weight.double().clone(), moments.double().clone()
    diagonal = hessian.diagonal()
    dead = diagonal == 0
    diagonal += DAMPING * diagonal.mean() + dead
    passed_on = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(hessian)), upper=True)
    numbers, scales = torch.zeros_like(left), []
    for column in range(left.shape[1]):
        if column % GROUP == 0:
            scales.append(group_scale(left[:, column : column + GROUP]).to(weight.dtype).double())
        one = left[:, column]
        numbers[:, column] = nearest(one, scales[-1])
        lost = (one - numbers[:, column] * scales[-1]) / passed_on[column, column]
        left[:, column + 1 :] -= lost[:, None] * passed_on[column, column + 1 :]
    return numbers.to(weight.dtype), torch.stack(scales, 1).to(weight.dtype)
