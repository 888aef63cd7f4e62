"""A recurrent layer with fewer units, made from one with more of them and the weights that are left."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from tenuto.engines.problem import Form, output_width, size_of
from tenuto.errors import ArgumentError
from tenuto.layers.recurrent import Recurrent


def resized(layer: Any, hidden_size: int, weights: Mapping[str, Tensor]) -> Any:
    """A new layer with the options of `layer`, these weights by name, and what it reads as wide as they say.

    Args:
        layer: a `Recurrent`, or one of torch's or tenuto's `LSTM`, `GRU`, `RNN`.
    Raises:
        ArgumentError: it would add its input to its output in another layer than before (`residual` does so where the two are equally wide).
    """
    made = copy.deepcopy(layer)
    made.hidden_size, made.input_size = hidden_size, int(weights["weight_ih_l0"].shape[1])
    if isinstance(layer, Recurrent):
        made._state_sizes = tuple(size_of(width, hidden_size) for width in layer.cell.widths("state").values())
        made.output_width = size_of(output_width(Form(layer.cell)), hidden_size)
        made._remake()
        if layer.residual and _adds(layer) != _adds(made):
            raise ArgumentError(
                f"with {hidden_size} units the layer would add its input to its output elsewhere than with {layer.hidden_size} (residual).",
                expected=f"the same in layers {_adds(layer) or 'none'}", received=f"layers {_adds(made) or 'none'}", fix="another number of units",
            )  # fmt: skip
    for name, weight in weights.items():
        own = getattr(made, name)
        setattr(made, name, weight if isinstance(weight, nn.Parameter) else nn.Parameter(weight, requires_grad=own.requires_grad))
    if isinstance(made, nn.RNNBase):
        made.flatten_parameters()
    return made


def _adds(layer: Recurrent) -> list[int]:
    """The layers that are as wide as what they read."""
    between = layer.output_width * layer.directions
    return [number for number in range(layer.num_layers) if (layer.input_size if number == 0 else between) == between]
