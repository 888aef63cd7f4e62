"""torch.nn's two biases of a layer or cell as this library has them: one, and for a GRU another inside the reset."""

from __future__ import annotations

import torch
from torch import Tensor


def one_bias(bias_ih: Tensor, bias_hh: Tensor, gru: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Both biases [G * H] added up, and the cell's parameters by name: a GRU's candidate keeps its recurrent bias [H].

    Of 16 bits they are added in float32, in which layers compute: their sum in 16 bits would be wrong in its last place at every step.
    """
    if bias_ih.dtype.itemsize == 2:
        bias_ih, bias_hh = bias_ih.float(), bias_hh.float()
    if not gru:
        return bias_ih + bias_hh, {}
    hidden_size = len(bias_hh) // 3
    gates, candidate = bias_hh[: 2 * hidden_size], bias_hh[2 * hidden_size :]
    return bias_ih + torch.constant_pad_nd(gates, (0, hidden_size)), {"recurrent_bias": candidate}  # `narrow`, `pad` and `split` do the same in more time
