"""Small maps of many rows at once, in numpy, with the bits that each row has alone: every product is a call of its own, of one shape, and what is done to single numbers does not see their neighbours.

A product of torch's adds up in an order that depends on how many rows there are, and torch's functions of single numbers differ in the last bit between the middle and the end of an array.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

AT_ONCE = 512  # rows whose hidden numbers are in memory


def array(tensor: Tensor) -> np.ndarray:
    """A tensor without its gradients."""
    return tensor.detach().cpu().numpy()  # type: ignore[no-any-return]


def linear(x: np.ndarray, module: nn.Linear) -> np.ndarray:
    """[N, n, K] from x [N, n, W]: a product for each [n, W]."""
    found = np.matmul(x, np.ascontiguousarray(array(module.weight).T))
    return found if module.bias is None else found + array(module.bias)


def silu(x: np.ndarray) -> np.ndarray:
    """x / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))  # type: ignore[no-any-return]


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)), which is x above 20."""
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))
