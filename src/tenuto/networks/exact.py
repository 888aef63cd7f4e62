"""What gives a step the same bits whatever it is computed with: a linear map, the logarithms of probabilities, and layers under the promise of `tenuto.invariant`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from torch import Tensor, nn

from tenuto.engines import invariant
from tenuto.errors import EngineError

R = TypeVar("R")


def exactly(linear: nn.Linear, x: Tensor) -> Tensor:
    """`linear(x)`, x [T, B, W], with the same bits in any chunk and batch.

    A product of matrices adds up in an order that depends on their sizes. Here terms are added one after the other, each product and sum rounded once.
    """
    found = linear.bias.expand(*x.shape[:2], -1)
    for column, weight in zip(x.unbind(-1), linear.weight.unbind(1)):
        found = found + column[..., None] * weight
    return found


def unchanging(call: Callable[[], R]) -> R:
    """What the call gives where recurrent layers give each row the same bits in any batch and chunk; without that promise where there are no compiled kernels, or another engine was named."""
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
