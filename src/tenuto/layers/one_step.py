"""One step by torch's own cells, for the layers and cells that torch has too: to prepare a time loop takes longer than such a step.

Agents, decoders and samplers call a layer once for each step. Derivatives of any order are torch's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from tenuto import engines

_CELLS: dict[str, Any] = {"LSTM": torch.lstm_cell, "GRU": torch.gru_cell, "RNN_TANH": torch.rnn_tanh_cell, "RNN_RELU": torch.rnn_relu_cell}

_FULL = frozenset({torch.float32, torch.float64})
_ORDINARY = frozenset({Tensor, nn.Parameter})

# `possible` is asked before each step of an agent, which takes some ten microseconds: it looks none of these up in its module.
_compiling, _autocast, _tracing = torch.compiler.is_compiling, torch._C._is_any_autocast_enabled, torch._C._get_tracing_state
_modes, _transformed = torch._C._len_torch_dispatch_stack, torch._C._are_functorch_transforms_active


def name_of(mode: str) -> str:
    """torch's function for a layer's mode ("LSTM", "GRU", "RNN_TANH", "RNN_RELU"), by name."""
    return f"torch.{_CELLS[mode].__name__}"


def possible(engine: str, tensors: Sequence[Any]) -> bool:
    """Whether a step may be torch's: no engine is asked for, nothing intercepts operations, and all are tensors of one full-precision dtype.

    `tensors`: all on one device, so only the first is asked for it.
    """
    if engine != "auto" or _compiling():
        return False
    for tensor in tensors:
        if type(tensor) not in _ORDINARY:
            return False
    x = tensors[0]
    dtype = x.dtype
    for tensor in tensors:
        if tensor.dtype is not dtype:
            return False
    return (
        dtype in _FULL
        and not x.is_meta
        and forward_ad._current_level < 0
        and not _autocast()
        and not _modes()
        and not _transformed()
        and _tracing() is None
        and engines.left_open()
    )


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
