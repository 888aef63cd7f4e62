"""What gives a step the same bits whatever it is computed with: a linear map, the logarithms of probabilities, and layers under the promise of `tenuto.invariant`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.engines import invariant
from tenuto.errors import EngineError

R = TypeVar("R")
TILE = 1 << 17  # products at once, so that they stay in a core's cache


def exactly(linear: nn.Linear, x: Tensor) -> Tensor:
    """`linear(x)`, x [T, B, W], with the same bits in any chunk and batch.

    A product of matrices adds up in an order that depends on their sizes. Here the second half of the terms is added to the first until one is left, each product and sum rounded once.
    In a graph that is compiled or exported it is a product of matrices, without that promise.
    """
    if torch.compiler.is_compiling():
        return linear(x)  # type: ignore[no-any-return]
    rows, weight = x.flatten(0, 1), linear.weight.t().contiguous()
    found = [_summed(tile[:, :, None] * weight) + linear.bias for tile in rows.split(max(1, TILE // weight.numel()))]
    return torch.cat(found).view(*x.shape[:2], -1)


def _summed(terms: Tensor) -> Tensor:
    """[N, V] from [N, W, V], in an order that follows from W alone."""
    while (count := terms.shape[1]) > 1:
        half = (count + 1) // 2
        folded = terms[:, : count - half] + terms[:, half:]
        terms = folded if count % 2 == 0 else torch.cat([folded, terms[:, half - 1 : half]], dim=1)
    return terms[:, 0]


def unchanging(call: Callable[[], R]) -> R:
    """What the call gives where recurrent layers give each row the same bits in any batch and chunk; without that promise where there are no compiled kernels, or another engine was named.

    Autocast is off in it: a state that goes on from chunk to chunk would be rounded to 16 bits between them, and is not within one.
    """
    with ExitStack() as stack:
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        try:
            with invariant():
                return call()
        except EngineError:
            return call()


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """[T, V] float64 from logits [T, V]: sums go answer by answer, so that a step has the same bits in any chunk."""
    wide = np.ascontiguousarray(logits, dtype=np.float64)
    wide = wide - wide.max(axis=1, keepdims=True)
    powers = np.exp(wide)
    total = powers[:, 0].copy()
    for column in powers.T[1:]:
        total = total + column
    return wide - np.log(total)[:, None]
