"""One step by torch's own cells, for the layers and cells that torch has too: to prepare a time loop takes longer than such a step.

Agents, decoders and samplers call a layer once for each step. Derivatives of any order are torch's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from tenuto import engines
from tenuto.engines.autograd import ordinary
from tenuto.layers.checks import autocast

_CELLS: dict[str, Any] = {"LSTM": torch.lstm_cell, "GRU": torch.gru_cell, "RNN_TANH": torch.rnn_tanh_cell, "RNN_RELU": torch.rnn_relu_cell}

_FULL = (torch.float32, torch.float64)


def name_of(mode: str) -> str:
    """torch's function for a layer's mode ("LSTM", "GRU", "RNN_TANH", "RNN_RELU"), by name."""
    return f"torch.{_CELLS[mode].__name__}"


def possible(engine: str, tensors: Sequence[Tensor]) -> bool:
    """Whether a step may be torch's: no engine is asked for, nothing intercepts operations, and all is of one full-precision dtype."""
    x = tensors[0]
    if torch.compiler.is_compiling() or forward_ad._current_level >= 0 or engine != "auto" or x.dtype not in _FULL or engines.settled(engines.wanted(engine)) != "auto":
        return False
    return all(tensor.dtype is x.dtype for tensor in tensors) and ordinary(tensors) and not autocast(x.device)


def run(mode: str, x: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """The new states [B, H] for x [B, I].

    Args:
        state: h, and c of an LSTM; each [B, H].
        weights: as torch.nn has them: weight_ih, weight_hh, and bias_ih, bias_hh if there are any.
    """
    cell = _CELLS[mode]
    if mode == "LSTM":
        return list(cell(x, list(state), *weights))
    h: Tensor = cell(x, state[0], *weights)
    return [h.clone() if mode.startswith("RNN") and h.requires_grad else h]  # a tanh keeps its result for backward, and the user may write into it
