"""Rounding with error feedback: what a column loses is made good by the columns that are still to be rounded, as far as what the weight reads allows it.

W x and U h that are only added are one product of [W, U] with x and h one below the other: what W loses is made good by U, too.
Source: Frantar et al. 2023 (GPTQ), with the columns in their own order.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tenuto.compress.calibrate import Seen
from tenuto.layers.stored.int4 import GROUP, Int4, group_scale, nearest

DAMPING = 0.01  # of the mean of the diagonal: directions in which nothing was seen must not take all the error


def int4_with_feedback(weights: Iterable[Tensor], seen: Seen) -> dict[int, Int4]:
    """Weights [N, K] as int4, by their identity; those of which it is seen what they read. Rows of which it is not are rounded each for itself."""
    every = {id(weight): weight.detach() for weight in weights if id(weight) in seen.moments}
    plain = {key: Int4.of(weight) for key, weight in every.items()}
    numbers = {key: nearest(every[key], plain_scales(stored)) for key, stored in plain.items()}
    scales = {key: stored.scale.clone() for key, stored in plain.items()}
    alone = {key: torch.ones(len(weight), dtype=torch.bool) for key, weight in every.items()}  # the rows that no other weight's make good
    for (first, *one), (second, *other), together in seen.added:
        if first in every and second in every:
            keys, parts = (first, second), (slice(*one), slice(*other))
            own = [_moments_of(seen.moments[key], part) for key, part in zip(keys, parts)]
            moments = torch.cat([torch.cat([own[0], together], 1), torch.cat([together.T, own[1]], 1)])
            for key, part, found in zip(keys, parts, _rounded([every[key][part] for key, part in zip(keys, parts)], moments)):
                numbers[key][part], scales[key][part] = found
                alone[key][part] = False
    for key, weight in every.items():
        for rows, moments in seen.moments[key]:
            left = torch.arange(rows.start, rows.stop)[alone[key][rows]].to(weight.device)
            if len(left):
                ((numbers[key][left], scales[key][left]),) = _rounded([weight[left]], moments)
    return {key: Int4.packed(numbers[key], scales[key], weight.shape) for key, weight in every.items()}


def _moments_of(seen: list[tuple[slice, Tensor]], part: slice) -> Tensor:
    """Of what these rows read."""
    return next(moments for rows, moments in seen if rows.start <= part.start and part.stop <= rows.stop)


def plain_scales(stored: Int4) -> Tensor:
    """The scale of each number of a weight."""
    return stored.scale.repeat_interleave(GROUP, -1)[:, : stored.shape[1]]


def _rounded(weights: list[Tensor], moments: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Whole numbers [N, K] and scales [N, K / 64] of each of the weights, which stand side by side.

    Args:
        moments: of what they read, one below the other.
    """
    left, hessian = torch.cat(weights, 1).double(), moments.double().clone()
    diagonal = hessian.diagonal()
    dead = diagonal == 0
    diagonal += DAMPING * diagonal.mean() + dead
    passed_on = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(hessian)), upper=True)
    found, before = [], 0
    for weight in weights:
        numbers, scales = torch.zeros(weight.shape, dtype=left.dtype, device=left.device), []
        for own in range(weight.shape[1]):
            column = before + own
            if own % GROUP == 0:
                scales.append(group_scale(left[:, column : min(column + GROUP, before + weight.shape[1])]).to(weight.dtype).double())
            one = left[:, column]
            numbers[:, own] = nearest(one, scales[-1])
            lost = (one - numbers[:, own] * scales[-1]) / passed_on[column, column]
            left[:, column + 1 :] -= lost[:, None] * passed_on[column, column + 1 :]
        found.append((numbers.to(weight.dtype), torch.stack(scales, 1).to(weight.dtype)))
        before += weight.shape[1]
    return found
