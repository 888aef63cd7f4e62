"""A layer where torch records calls instead of making them: torch.fx, torch.jit and the ONNX exporters.

fx gets a layer as one node, as it gets torch.nn's; torch.jit.trace the operation `tenuto::loop`; the others are refused in words.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from tenuto.errors import ArgumentError, TenutoError

_FIX = "tenuto export (tenuto.export in Python), or torch.export.export, which holds a layer as one operation with gradients; for LSTM, GRU and RNN also torch.nn's own, from the state_dict"


class Recordable(nn.Module):
    """What layers share."""

    def _slow_forward(self, *inputs: Any, **options: Any) -> Any:
        refuse_onnx()  # torch comes here instead of `forward` while it traces; the ONNX exporter passes options by place
        return super()._slow_forward(*inputs, **options)  # type: ignore[misc]

    def __prepare_scriptable__(self) -> Any:
        raise TenutoError(
            f"{type(self).__name__}: torch.jit.script reads Python, and a layer's time loop is not written in it.", fix=f"torch.jit.trace, {_FIX}"
        )


def node(layer: nn.Module, x: Any, *arguments: Any, **options: Any) -> Any:
    """The call of a layer on what is no tensor: a node of torch.fx's graph, the layer being a leaf of it.

    Raises:
        ArgumentError: x is no input at all.
        TenutoError: the layer is not in a model, so that a graph has no name for it.
    """
    name = type(layer).__name__
    if not isinstance(x, Proxy):
        raise ArgumentError(f"{name}: x is {type(x).__name__}.", expected="a tensor, or a PackedSequence", fix="torch.as_tensor(x)")
    path = x.tracer.path_of_module(layer)  # type: ignore[attr-defined]
    if not path:
        raise TenutoError(
            f"{name}: torch.fx cannot look into a layer, which is a leaf of its graphs as torch.nn's layers are.",
            fix=f"trace a model that has the layer in it; {_FIX}",
        )
    return x.tracer.create_proxy("call_module", path, (x, *arguments), options)


def tracing() -> bool:
    """Whether torch.jit.trace is at work (the older ONNX exporter uses it, too)."""
    return torch._C._get_tracing_state() is not None


@contextmanager
def unseen() -> Iterator[None]:
    """Sizes are numbers inside, and what is looked at is not recorded by torch.jit.trace."""
    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch._C._set_tracing_state(state)  # type: ignore[attr-defined]


def refuse_onnx() -> None:
    """Where a graph is made: no ONNX exporter knows our operation.

    Raises:
        TenutoError: one makes it.
    """
    if "torch.onnx" in sys.modules and torch.onnx.is_in_onnx_export():
        raise TenutoError("torch's ONNX exporters do not know a layer's time loop, which is one operation of tenuto's own.", fix="tenuto export RUN --to onnx, or tenuto.export(model, folder) in Python")


def is_input(x: Any) -> bool:
    """Whether a layer can run on this, or has to say or record something instead."""
    return isinstance(x, (Tensor, nn.utils.rnn.PackedSequence))
